import subprocess
import sys
import time

from benchmarks.replay_parts.stopwatch import Stopwatch, cost_s

BUSY = "import time\nwhile time.process_time() < 0.3: pass"


def test_what_a_child_computes_counts_and_what_is_slept_does_not():
    watch = Stopwatch()
    with watch.stage("child"):
        subprocess.run([sys.executable, "-c", BUSY], check=True)
    with watch.stage("sleep"):
        time.sleep(0.2)
    assert watch.cpu_s["child"] >= 0.3
    assert watch.cpu_s["sleep"] < 0.1
    assert watch.wall_s["sleep"] >= 0.2


def test_a_stage_costs_the_smaller_of_cpu_and_wall_seconds():
    assert cost_s(cpu_s=2.0, wall_s=3.0) == 2.0  # it had to wait for other work
    assert cost_s(cpu_s=4.0, wall_s=2.0) == 2.0  # two threads
