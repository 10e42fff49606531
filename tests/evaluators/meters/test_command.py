"""Real programs, small ones: each is a few lines of Python that a child process runs."""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest

from evaluators.failures import DeviceLost
from evaluators.meters.command import CommandMeter, HeldPower

pytestmark = pytest.mark.measures

LONG_S = 60
RULE = (
    r"^python\S* must print watts, one number a line, until it is killed or ends with exit code 0"
)


def program(code):
    """Return the words of a program; ``say(watts)`` prints, ``wait(path)`` waits for a file."""
    helpers = (
        "import os, sys, time\n"
        "def say(*watts): print(*watts, sep='\\n', flush=True)\n"
        "def wait(path):\n"
        "    while not os.path.exists(path): time.sleep(0.001)\n"
    )
    return [sys.executable, "-c", helpers + code]


class Clock:
    """A clock that a test sets, which tells when somebody has looked at it."""

    def __init__(self):
        self.now_s = 0.0
        self._looked = threading.Semaphore(0)

    def __call__(self):
        self._looked.release()
        return self.now_s

    def seen(self):
        """Wait until the time was read once more."""
        assert self._looked.acquire(timeout=LONG_S)

    def forget(self):
        while self._looked.acquire(blocking=False):
            pass


def test_a_reading_stands_for_the_time_before_it():
    held = HeldPower(10.0)
    held.add(11.0, [2.0])
    held.add(13.0, [4.0])
    assert (held.energy_j, held.seconds, held.readings) == (2.0 + 8.0, 3.0, 2)
    held.close(14.0)
    assert (held.energy_j, held.seconds, held.readings) == (14.0, 4.0, 2)


def test_readings_that_arrive_together_share_their_time():
    held = HeldPower(0.0)
    held.add(6.0, [1.0, 2.0, 6.0])
    assert (held.energy_j, held.readings) == (18.0, 3)


def test_lines_are_stamped_when_they_arrive(tmp_path):
    clock, go = Clock(), tmp_path / "go"
    meter = CommandMeter(program(f"say(1.5); wait({str(go)!r}); say(3); time.sleep(60)"), clock)
    meter.start()
    clock.forget()
    clock.now_s = 10.0
    go.touch()
    clock.seen()
    clock.now_s = 12.0
    # 1.5 W came before the stretch; 3 W for the 10 s until it arrived, and to the end
    name = Path(sys.executable).name
    assert meter.stop() == (36.0, 12.0, 1, {name: 36.0})


def test_a_steady_load_is_its_power():
    meter = CommandMeter(program("while True: say(2.5); time.sleep(0.001)"))
    assert (meter.unavailable_reason(), meter.domains()) == (None, [Path(sys.executable).name])
    meter.start()
    wait_for_readings(meter, 5)
    reading = meter.stop()
    assert reading.power_w == pytest.approx(2.5)
    assert reading.readings >= 5


def wait_for_readings(meter, count):
    """Wait until so many arrived; there is no other way to know than to look."""
    deadline = time.monotonic() + LONG_S
    while meter._listener.held.readings < count:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_program_that_prints_and_ends_is_started_again():
    meter = CommandMeter(program("sys.stdout.write('4.5')"))  # not even a line end
    meter.start()
    wait_for_readings(meter, 2)
    assert meter.stop().power_w == pytest.approx(4.5)


def test_it_is_killed_and_its_children_cannot_hold_up_the_end(tmp_path):
    """As a shell script would start its own; the grandchild keeps standard output open."""
    pids = tmp_path / "pids"
    code = (
        "import subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\n"
        "while True: say(1); time.sleep(0.001)\n"
    )
    meter = CommandMeter(program(code))
    meter.start()
    wait_for_readings(meter, 1)
    own, grandchild = (int(pid) for pid in pids.read_text().split())
    meter.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(own, 0)
    os.kill(grandchild, 9)


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("say('2.5 W'); time.sleep(60)", r", but printed '2\.5 W'\.$"),
        ("say('nan'); time.sleep(60)", r", but printed 'nan'\.$"),
        ("say(-1); time.sleep(60)", r", but printed '-1'\.$"),
        ("sys.exit(3)", r", but ended with exit code 3\.$"),
        (
            "sys.exit('Reading /dev/ttyUSB0...\\nno such port.\\n')",
            r", but ended with exit code 1\. Its last words: no such port\.$",
        ),
        ("os.kill(os.getpid(), 15)", r", but ended with exit code -15\.$"),
        ("pass", r", but ended without a reading\.$"),
        ("say('', ' ')", r", but ended without a reading\.$"),
    ],
)
def test_a_program_that_is_no_meter_is_told_the_rule(code, match):
    meter = CommandMeter(program(code))
    with pytest.raises(DeviceLost, match=RULE + match) as caught:
        meter.start()
    assert meter.unavailable_reason() == caught.value.reason.rstrip(".")


def test_silence_ends_the_patience():
    meter = CommandMeter(program("time.sleep(60)"), patience_s=0.05)
    with pytest.raises(DeviceLost, match=r"but printed nothing within 0\.05 s\. It may have to fl"):
        meter.start()


def test_a_program_that_fails_meanwhile_is_a_lost_device(tmp_path):
    go = tmp_path / "go"
    code = f"say(1); wait({str(go)!r}); say(1); sys.exit('unplugged')"
    meter = CommandMeter(program(code))
    meter.start()
    go.touch()
    meter._listener._thread.join(LONG_S)
    with pytest.raises(DeviceLost, match=r"but ended with exit code 1\. Its last words: unplugged"):
        meter.stop()


def test_a_meter_that_is_slower_than_the_work_is_refused():
    """Its only reading is from before the work, and would be the idle power."""
    clock = Clock()
    meter = CommandMeter(program("say(1); time.sleep(60)"), clock)
    meter.start()
    clock.now_s = 1.5
    with pytest.raises(DeviceLost, match=r"must print more often: it was measured for 1\.5 s, and"):
        meter.stop()


def test_a_program_that_is_not_there_is_named():
    meter = CommandMeter(["no-such-wattmeter", "--watts"])
    assert meter.unavailable_reason() == (
        "the program must be on PATH or executable, but 'no-such-wattmeter' isn't there"
    )
    with pytest.raises(DeviceLost, match=r"^/no/wattmeter can't be run: No such file or directory"):
        CommandMeter(["/no/wattmeter"]).start()


def test_a_program_that_may_not_be_run_is_named(tmp_path):
    script = tmp_path / "wattmeter"
    script.write_text("#!/bin/sh\necho 1\n")
    script.chmod(0o644)
    meter = CommandMeter([str(script)])
    assert meter.unavailable_reason() == (
        f"the program must be on PATH or executable, but '{script}' isn't there"
    )
    with pytest.raises(DeviceLost, match=r"/wattmeter can't be run: Permission denied\."):
        meter.start()


def test_without_a_program_it_says_how_to_name_one():
    assert CommandMeter().unavailable_reason() == (
        "the space file names its program: device.meter: {command: [program, argument]}"
    )
    assert CommandMeter().domains() == []
