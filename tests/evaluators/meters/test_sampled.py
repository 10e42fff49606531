import json
import os
import subprocess
import sys
import threading

import pytest

from evaluators.failures import DeviceLost
from evaluators.meters.sampled import PowerFiles, PowerIntegral, SampledMeter, Sampler

pytestmark = pytest.mark.measures

LONG_S = 60
"""No test waits so long unless it fails."""


def test_the_trapezoid_rule_over_the_readings_own_times():
    integral = PowerIntegral()
    for time_s, cpu_w, gpu_w in [(10.0, 2.0, 0.0), (11.0, 4.0, 1.0), (14.0, 0.0, 1.0)]:
        integral.add(time_s, {"cpu": cpu_w, "gpu": gpu_w})
    # cpu: (2 + 4) / 2 x 1 + (4 + 0) / 2 x 3; gpu: (0 + 1) / 2 x 1 + 1 x 3
    assert integral.reading() == (12.5, 4.0, 3, {"cpu": 9.0, "gpu": 3.5})


class Script:
    """A meter of 1, 2, 3, ... W, each reading of which takes one second of a fake clock.

    The clock stands still while the sampler sleeps, so the numbers depend on nothing but how many
    readings were taken.
    """

    def __init__(self, enough, fails_at=None):
        self.now_s = 0.0
        self.count = 0
        self.enough = enough
        self.fails_at = fails_at
        self.reached = threading.Event()
        self.threads = []

    def read_w(self):
        self.count += 1
        self.threads.append(threading.current_thread())
        self.now_s += 1.0
        if self.count == self.enough:
            self.reached.set()
        if self.count == self.fails_at:
            self.reached.set()
            raise DeviceLost("/sys/gone can't be read: No such file or directory.")
        return {"board": float(self.count)}

    def clock(self):
        return self.now_s


def run(script):
    sampler = Sampler(script.read_w, script.clock, period_s=0.001)
    sampler.start()
    assert script.reached.wait(LONG_S)
    return sampler.stop()


def test_readings_are_taken_beside_the_work_and_at_both_ends():
    script = Script(enough=4)
    reading = run(script)
    mine = [thread is threading.current_thread() for thread in script.threads]
    assert (mine[0], mine[-1]) == (True, True)
    assert not any(mine[1:-1])
    assert reading.readings >= 4
    assert reading.power_w == pytest.approx(reading.energy_j / reading.seconds)


def test_the_first_reading_isnt_part_of_the_stretch_and_neither_is_the_last():
    """One reading at each end: from 1 s, when the first was done, to the stop."""
    script = Script(enough=1)
    sampler = Sampler(script.read_w, script.clock, period_s=LONG_S)
    sampler.start()
    script.now_s = 11.0
    assert sampler.stop() == (15.0, 10.0, 2, {"board": 15.0})


def test_a_meter_that_vanishes_while_it_is_sampled_is_a_lost_device():
    with pytest.raises(DeviceLost, match="/sys/gone can't be read"):
        run(Script(enough=0, fails_at=3))


def test_a_meter_that_vanished_before_fails_at_once():
    script = Script(enough=0, fails_at=1)
    with pytest.raises(DeviceLost, match="/sys/gone can't be read"):
        Sampler(script.read_w, script.clock).start()


PINNED = """
import json, os, threading
from evaluators.meters.sampled import Sampler

pinned = {min(os.sched_getaffinity(0))}
os.sched_setaffinity(0, pinned)
seen, sampled = [], threading.Event()

def read_w():
    seen.append(sorted(os.sched_getaffinity(0)))
    if len(seen) > 2:
        sampled.set()
    return {"board": 1.0}

sampler = Sampler(read_w, period_s=0.001)
sampler.start()
assert sampled.wait(60)
sampler.stop()
print(json.dumps([sorted(pinned), seen]))
"""


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="only Linux pins threads")
@pytest.mark.skipif(
    len(getattr(os, "sched_getaffinity", lambda _: [])(0)) < 2, reason="needs two CPUs"
)
def test_the_sampling_thread_leaves_the_cpus_that_the_work_is_pinned_to():
    done = subprocess.run(
        [sys.executable, "-c", PINNED], check=True, capture_output=True, text=True
    )
    pinned, seen = json.loads(done.stdout)
    others = sorted(os.sched_getaffinity(0) - set(pinned))
    assert (seen[0], seen[-1]) == (pinned, pinned)  # the ends are read by the work itself
    assert all(cpus == others for cpus in seen[1:-1])


class Rails(SampledMeter):
    name = "rails"

    def __init__(self, tree):
        super().__init__()
        self.tree = tree

    def sources(self):
        files = [("in", ("mv", "ma"), 1e-6), ("cpu", ("mw",), 1e-3)]
        return [
            PowerFiles(name, tuple(self.tree.path(path) for path in paths), factor_w)
            for name, paths, factor_w in files
            if (self.tree.root / paths[0]).exists()
        ]

    def absence(self):
        return "no rails here"


def test_a_domain_is_the_product_of_its_files(tree):
    tree["mv"], tree["ma"], tree["mw"] = 5000, 400, 250
    meter = Rails(tree)
    assert (meter.domains(), meter.unavailable_reason()) == (["in", "cpu"], None)
    meter.start()
    reading = meter.stop()
    assert reading.power_w == pytest.approx(2.25)
    assert reading.domains_j == pytest.approx(
        {"in": 2.0 * reading.seconds, "cpu": 0.25 * reading.seconds}
    )


def test_a_meter_without_sources_says_so(tree):
    meter = Rails(tree)
    assert (meter.domains(), meter.unavailable_reason()) == ([], "no rails here")
    with pytest.raises(DeviceLost, match=r"^rails: no rails here\.$"):
        meter.start()


def test_a_meter_whose_files_are_denied_names_them(tree, denied):
    tree["mv"], tree["ma"] = 5000, 400
    denied("ma")
    path = tree.path("ma")
    assert Rails(tree).unavailable_reason() == (
        f"{path} can't be read. Allow it with: sudo chmod a+r {path}"
    )


def test_a_file_that_vanishes_is_named(tree):
    tree["mw"] = 250
    meter = Rails(tree)
    meter.start()
    del tree["mw"]
    with pytest.raises(DeviceLost, match=r"/mw can't be read: No such file or directory"):
        meter.stop()
