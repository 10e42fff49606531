import json
import os
import subprocess
import sys
import time

import pytest

from evaluators.benchmark.cpus import choose_cpus, usable_cpus
from evaluators.benchmark.disturbance import Counters, Watch, disturbance_between
from evaluators.benchmark.kernel_files import CpuTimes
from evaluators.benchmark.slowdown import Conditions

pytestmark = pytest.mark.measures

COOL = Conditions({}, None, None, None, None)
IDLE = CpuTimes(0.0, 0.0, 0.0)
START = Counters(100.0, 7.0, 1.0, 20, dict.fromkeys(range(4), IDLE))


def facts(busy_s=(0.0,) * 4, cpus=(3,), siblings=(), steal_s=0.0, **stop):
    """Return what happened in two seconds in which CPUs were busy for ``busy_s``."""
    times = {cpu: CpuTimes(busy_s[cpu], steal_s, 0.0) for cpu in range(4)}
    counters = START._replace(clock_s=102.0, cpu_times=times)._replace(**stop)
    return disturbance_between(cpus, siblings, START, counters, COOL, COOL)


def test_nothing_happened():
    found = facts((0.0, 0.0, 0.0, 2.0), own_cpu_s=9.0)
    assert found.watched_s == 2.0
    assert found.foreign_cpu_share == 0.0
    assert found.foreign_cpu_share_elsewhere == 0.0
    assert found.waited_share == 0.0
    assert found.steal_share == 0.0
    assert found.involuntary_switches == 0
    assert found.reasons == []


def test_what_others_used_of_the_cpus_measured_on():
    found = facts((0.0, 0.0, 2.0, 1.0), cpus=(2, 3), own_cpu_s=9.0, waited_s=2.2)
    assert found.foreign_cpu_share == pytest.approx(0.25)  # 3 s busy less 2 s own, of 2 x 2 s
    assert found.waited_share == pytest.approx(0.3)
    assert found.reasons == ["other work took 25 % of the CPUs measured on (limit 5 %)"]


def test_never_negative():
    """Ticks may miss some of this process' own time."""
    assert facts((0.0, 0.0, 0.0, 1.2), own_cpu_s=8.3).foreign_cpu_share == 0.0


def test_never_above_one():
    """The last tick may lie after the clock was read."""
    assert facts((0.0, 0.0, 0.0, 2.01)).foreign_cpu_share == 1.0


@pytest.mark.parametrize(
    ("busy_s", "waited_s", "is_disturbed"),
    [
        (0.12, 1.12, True),
        (0.12, 1.0, False),  # ticks alone: the process rested in step with them
        (0.48, 1.0, False),
        (0.52, 1.0, True),  # too much to be such an error, though none of it was waited for
        (0.0, 2.0, False),  # waiting alone: its threads waited for one another
        (0.12, None, True),  # a kernel that doesn't count waiting
        (0.10, None, False),
    ],
)
def test_foreign_work_counts_if_the_ticks_and_the_waiting_say_so(busy_s, waited_s, is_disturbed):
    found = facts((0.0, 0.0, 0.0, busy_s), waited_s=waited_s)
    assert found.foreign_cpu_share == pytest.approx(busy_s / 2)
    assert bool(found.reasons) == is_disturbed


def test_second_threads_of_the_cores_measured_on():
    found = facts((0.0, 1.0, 0.0, 0.0), siblings=(1,))
    assert found.foreign_cpu_share_siblings == pytest.approx(0.5)
    assert found.foreign_cpu_share_elsewhere == 0.0
    assert found.reasons == [
        "other work took 50 % of the second threads of the cores measured on (limit 5 %)"
    ]


@pytest.mark.parametrize(
    ("busy_s", "share", "reasons"),
    [
        (1.5, 0.25, []),
        (2.0, 1 / 3, ["other work took 33.3 % of the other CPUs (limit 25 %)"]),
    ],
)
def test_work_elsewhere(busy_s, share, reasons):
    found = facts((busy_s, 0.0, 0.0, 0.0))
    assert found.foreign_cpu_share_elsewhere == pytest.approx(share)
    assert found.foreign_cpu_share == 0.0
    assert found.reasons == reasons


def test_no_other_cpus():
    found = facts(cpus=(0, 1, 2, 3))
    assert found.foreign_cpu_share_elsewhere is None
    assert found.foreign_cpu_share_siblings is None


def test_steal():
    found = facts(steal_s=0.24)
    assert found.steal_share == pytest.approx(0.12)
    assert found.reasons == [
        "the hypervisor gave other guests 12 % of the CPUs measured on (limit 5 %)"
    ]


def test_what_other_guests_got_is_not_called_other_work_too():
    found = facts((0.0, 0.0, 0.0, 2.0), own_cpu_s=8.4, steal_s=0.6, waited_s=1.6)
    assert found.foreign_cpu_share == 0.0
    assert [reason.split(" ")[1] for reason in found.reasons] == ["hypervisor"]


def test_severity_is_the_worst_share_over_its_limit():
    assert facts().severity == 0.0
    assert facts(steal_s=0.24).severity == pytest.approx(0.12 / 0.05)
    both = facts((2.0, 0.0, 0.0, 0.0), steal_s=0.24)
    assert len(both.reasons) == 2
    assert both.severity == pytest.approx(0.12 / 0.05)


def test_involuntary_switches():
    assert facts(involuntary_switches=23).involuntary_switches == 3


def test_a_machine_without_proc_stat():
    start = START._replace(cpu_times={}, waited_s=None)
    found = disturbance_between([3], [], start, start._replace(clock_s=102.0), COOL, COOL)
    assert found.foreign_cpu_share is None
    assert found.foreign_cpu_share_elsewhere is None
    assert found.steal_share is None
    assert found.waited_share is None
    assert found.reasons == []


def test_a_cpu_that_went_offline_meanwhile_is_unknown():
    times = dict.fromkeys((0, 1, 2), IDLE)
    stop = START._replace(clock_s=102.0, cpu_times=times)
    found = disturbance_between([3], [], START, stop, COOL, COOL)
    assert found.foreign_cpu_share is None
    assert found.foreign_cpu_share_elsewhere == 0.0


def test_clock_heat_and_throttling_are_passed_on():
    before = Conditions({("package", "0", 0): 4}, 0x0, [], 1500000, 51000)
    after = Conditions({("package", "0", 0): 5}, 0x50005, ["cpufreq-cpu0"], 600000, 84000)
    stop = START._replace(clock_s=102.0)
    found = disturbance_between([3], [], START, stop, before, after)
    assert found.throttle_events == 1
    assert found.firmware_flags == ["under-voltage", "throttled"]
    assert found.firmware_flags_since_boot == ["under-voltage", "throttled"]
    assert found.cooling == ["cpufreq-cpu0"]
    assert (found.frequency_before_khz, found.frequency_after_khz) == (1500000, 600000)
    assert found.temperature_before_millicelsius == 51000
    assert found.temperature_after_millicelsius == 84000
    assert len(found.reasons) == 3


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_watch_reads_its_tree_twice(tmp_path):
    write(tmp_path, "sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "1,3\n")
    write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "0\n")
    write(tmp_path, "proc/self/task/1/schedstat", "1 1000 1\n")
    line = "cpu{} {} 0 0 0 0 0 0 0 0 0\n"
    write(tmp_path, "proc/stat", "".join(line.format(cpu, 0) for cpu in range(4)))
    watch = Watch([1], str(tmp_path))
    watch.start()
    write(tmp_path, "sys/devices/platform/soc/soc:firmware/get_throttled", "1\n")
    # A year of ticks is more than any share of the time that this test takes.
    year = 365 * 86400 * 100
    write(tmp_path, "proc/stat", "".join(line.format(cpu, year * (cpu == 1)) for cpu in range(4)))
    found = watch.stop()
    assert found["foreign_cpu_share"] == 1.0
    assert found["foreign_cpu_share_siblings"] == 0.0  # CPU 3
    assert found["foreign_cpu_share_elsewhere"] == 0.0
    assert found["waited_share"] == 0.0
    assert found["firmware_flags"] == ["under-voltage"]
    assert found["reasons"] == [
        "other work took 100 % of the CPUs measured on (limit 5 %)",
        "the firmware reports: under-voltage",
    ]


def test_what_a_watch_returns_is_json():
    watch = Watch(usable_cpus())
    watch.start()
    found = watch.stop()
    assert json.loads(json.dumps(found)) == found


COMPETITOR = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
print("busy", flush=True)
while True:
    pass
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_a_real_competitor_for_the_cpu_is_a_reason():
    allowed, cpus = os.sched_getaffinity(0), choose_cpus(1)
    competitor = subprocess.Popen(
        [sys.executable, "-c", COMPETITOR, str(cpus[0])], stdout=subprocess.PIPE, text=True
    )
    try:
        assert competitor.stdout.readline() == "busy\n"
        os.sched_setaffinity(0, cpus)
        watch = Watch(cpus)
        watch.start()
        end_s = time.process_time() + 0.3
        while time.process_time() < end_s:
            pass
        found = watch.stop()
    finally:
        os.sched_setaffinity(0, allowed)
        competitor.kill()
        competitor.communicate()
    assert found["involuntary_switches"] > 0
    assert found["reasons"][0].startswith("other work took")
    assert found["reasons"][0].endswith("of the CPUs measured on (limit 5 %)")
