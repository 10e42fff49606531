"""A mode held by a real guardian, whoever of the two is killed; only the files are fake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from evaluators.failures import CandidateRejected, DeviceLost
from evaluators.power_modes import held
from evaluators.power_modes.held import held_mode
from tests.sshd import wait_for

HOLD = """
import json, sys, time
from evaluators.power_modes.held import held_mode
from evaluators.power_modes.setting import Place
mode, place = json.loads(sys.argv[1])
with held_mode(mode, Place(**place)):
    print("held", flush=True)
    time.sleep(600)
"""
FAST, SLOW = ["performance"] * 2, ["powersave"] * 2
AS_IT_WAS = ["schedutil"] * 2


@pytest.fixture(autouse=True)
def _settle_at_once(monkeypatch):
    monkeypatch.setattr(held, "SETTLE_S", 0.0)


@pytest.fixture
def holder(machine):
    """Return a process that holds governor:performance, in a group of its own."""
    request = json.dumps(["governor:performance", machine.place._asdict()])
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, request], stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout.readline() == b"held\n"
    assert machine.governors() == FAST
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()


def _replace_by_a_folder(file):
    file.unlink()
    file.mkdir()


def guardian_of(machine):
    return json.loads(machine.memory.read_text())["pid"]


def body():
    return {"disturbance": {"reasons": [], "severity": 0.0}}


def is_as_it_was(machine):
    return machine.governors() == AS_IT_WAS and not machine.memory.exists()


def test_a_mode_is_in_force_and_put_back(machine):
    told = body()
    with held_mode("governor:performance", machine.place) as mode:
        assert machine.governors() == FAST
        assert machine.memory.exists()
        mode.tell(told)
    assert is_as_it_was(machine)
    assert told["power_mode"] == {"mode": "governor:performance", "before": "governor:schedutil"}
    assert told["disturbance"] == {"reasons": [], "severity": 0.0}


def test_without_a_mode_nothing_is_touched(machine):
    told = body()
    with held_mode(None, machine.place) as mode:
        assert is_as_it_was(machine)
        mode.tell(told)
    assert told["power_mode"] is None


def test_the_mode_in_force_is_only_noted(machine):
    for policy in ("policy0", "policy4"):
        machine.file(policy).chmod(0o444)
        written = machine.file(policy).stat().st_mtime_ns
    with held_mode("governor:schedutil", machine.place) as mode:
        assert mode.before == "governor:schedutil"
    assert machine.file("policy4").stat().st_mtime_ns == written
    assert is_as_it_was(machine)


def test_it_is_put_back_after_an_exception(machine):
    with (
        pytest.raises(RuntimeError, match="while measuring"),
        held_mode("governor:performance", machine.place),
    ):
        raise RuntimeError("while measuring")
    assert is_as_it_was(machine)


def test_several_settings_are_set_and_put_back(jetson):
    mode = "jetson_clocks:on+nvpmodel:7W+governor:powersave"
    low = jetson.file("policy0", "scaling_min_freq")
    with held_mode(mode, jetson.place) as found:
        assert found.before == "jetson_clocks:off+nvpmodel:15W+governor:schedutil"
        assert jetson.governors() == SLOW
        assert (jetson.root / "nvpmodel.now").read_text() == "1"
        assert low.read_text() == "1510400\n"
        found.tell(body())
    assert is_as_it_was(jetson)
    assert (jetson.root / "nvpmodel.now").read_text() == "0"
    assert low.read_text() == "729600\n"


def test_what_can_not_be_set_to_its_end_is_put_back(jetson):
    (jetson.root / "no_gpu").touch()
    with (
        pytest.raises(CandidateRejected, match="jetson_clocks:on can't be set"),
        held_mode("governor:powersave+jetson_clocks:on", jetson.place),
    ):
        pytest.fail("it isn't set")
    assert is_as_it_was(jetson)


def test_a_mode_that_the_device_lacks_is_refused(machine):
    with (
        pytest.raises(CandidateRejected, match="governor:warp isn't a mode"),
        held_mode("governor:warp", machine.place),
    ):
        pytest.fail("it isn't set")
    assert is_as_it_was(machine)


def test_it_is_put_back_where_who_measures_is_killed(machine, holder):
    os.killpg(holder.pid, signal.SIGKILL)
    wait_for(lambda: is_as_it_was(machine))


def test_who_comes_next_waits_until_it_is_put_back(machine, holder):
    os.kill(guardian_of(machine), signal.SIGSTOP)
    os.killpg(holder.pid, signal.SIGKILL)
    assert machine.governors() == FAST
    resume = f"sleep 0.3; kill -CONT {guardian_of(machine)}"
    with (
        subprocess.Popen(["/bin/sh", "-c", resume]),
        held_mode("governor:powersave", machine.place) as mode,
    ):
        assert mode.before == "governor:schedutil"
        assert machine.governors() == SLOW
    assert is_as_it_was(machine)


def test_a_guardian_that_is_asked_to_end_puts_back_first(machine, holder):
    os.kill(guardian_of(machine), signal.SIGTERM)
    wait_for(lambda: is_as_it_was(machine))
    assert holder.poll() is None


def test_who_measures_puts_back_where_the_guardian_is_killed(machine):
    told = body()
    with held_mode("governor:performance", machine.place) as mode:
        os.kill(guardian_of(machine), signal.SIGKILL)
        mode.tell(told)
    assert is_as_it_was(machine)
    assert told["disturbance"]["reasons"] == []


def test_whoever_comes_next_puts_back_where_both_were_killed(machine, holder):
    for pid in (guardian_of(machine), holder.pid):
        os.kill(pid, signal.SIGKILL)
    holder.wait()
    assert machine.governors() == FAST
    assert machine.memory.exists()
    with held_mode(None, machine.place):
        assert is_as_it_was(machine)


def test_a_reboot_has_undone_all_but_nvpmodel(jetson):
    with held_mode("nvpmodel:7W+governor:powersave", jetson.place):
        memory = jetson.memory.read_text()
    for policy in ("policy0", "policy4"):
        jetson.file(policy).write_text("powersave\n")  # what the board boots with
    (jetson.root / "nvpmodel.now").write_text("1")
    jetson.memory.write_text(memory)
    jetson.reboot()
    with held_mode(None, jetson.place):
        assert jetson.governors() == SLOW
        assert (jetson.root / "nvpmodel.now").read_text() == "0"
    assert not jetson.memory.exists()


def test_what_somebody_else_sets_meanwhile_disturbs_and_stays(machine):
    told = body()
    with held_mode("governor:performance", machine.place) as mode:
        for policy in ("policy0", "policy4"):
            machine.file(policy).write_text("powersave\n")
        mode.tell(told)
    assert told["disturbance"] == {
        "reasons": [
            "the power mode governor:performance became governor:powersave while it was measured"
        ],
        "severity": 1.0,
    }
    assert machine.governors() == SLOW
    assert not machine.memory.exists()


def test_what_can_not_be_put_back_is_said_and_remembered(machine):
    file = machine.file("policy4")
    with (
        pytest.raises(DeviceLost, match=r"can't be put back as .*memory has it.*policy4"),
        held_mode("governor:performance", machine.place),
    ):
        _replace_by_a_folder(file)
    assert machine.memory.exists()
    file.rmdir()
    file.write_text("performance\n")
    with held_mode(None, machine.place):
        assert is_as_it_was(machine)
