"""Power modes of a space: what is checked before a run, and whole runs over a fake tree."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from evaluators.child_process import Limits
from evaluators.devices.local import LocalDevice
from evaluators.failures import DeviceLost
from evaluators.framing import Message
from search.errors import MissingError, UsageError
from search.plan import make_plan
from search.power_modes import find_power_modes
from search.run_directory import RunDirectory
from tests.cpufreq import FakeCpufreq
from tests.sshd import SSHD, Sshd, wait_for

SLOW, FAST = "governor:powersave", "governor:performance"
GOVERNOR = ["governor", ["performance", "powersave"], "powersave", None]
NVPMODEL = ["nvpmodel", ["15W", "MAXN"], "15W", None]
CLOCKS = ["jetson_clocks", ["off", "on"], "off", None]
REPOSITORY = Path(__file__).parents[2]
OBJECTIVES = "objectives: [latency_p90_ms, accuracy]\n"


class Device(LocalDevice):
    """Says what it was told to say of its settings."""

    def __init__(self, *settings, was_left=False):
        super().__init__("here", Limits(60.0, 2**30))
        self.said = {"settings": list(settings), "was_left": was_left}
        self.locked, self.jobs = False, []

    @contextmanager
    def quiet(self):
        self.locked = True
        yield
        self.locked = False

    def run(self, job):
        assert self.locked
        self.jobs.append(job)
        if isinstance(self.said, Exception):
            raise self.said
        return Message(self.said, [])


@pytest.fixture
def modes_of(space_of):
    """Return a function that looks for the modes of a space on a device."""

    def find(written, *settings):
        return find_power_modes(space_of(f"search: {{power_mode: {written}}}\n"), Device(*settings))

    return find


def test_a_space_without_modes_asks_nothing(space_of):
    device = Device(GOVERNOR)
    assert find_power_modes(space_of(), device) is None
    assert device.jobs == []


def test_the_mode_in_force_is_said_in_the_settings_of_the_space(modes_of):
    assert modes_of(f"[{FAST}]", NVPMODEL, GOVERNOR, CLOCKS).now == SLOW
    found = modes_of("jetson_clocks:on+nvpmodel:MAXN", NVPMODEL, GOVERNOR, CLOCKS)
    assert found.now == "jetson_clocks:off+nvpmodel:15W"
    assert list(found.settings) == ["jetson_clocks", "nvpmodel"]


def test_an_unknown_kind_is_named_with_the_nearest(modes_of):
    with pytest.raises(UsageError) as caught:
        modes_of("[govenor:performance]", GOVERNOR, NVPMODEL)
    assert str(caught.value) == (
        "space.yaml:5: search.power_mode must begin with governor, nvpmodel, but got 'govenor'. "
        "Did you mean governor?"
    )


def test_what_may_not_be_set_is_said_before_the_run_starts(modes_of):
    reason = "x can't be written. Allow it until the next boot with: sudo chmod a+w x"
    with pytest.raises(MissingError) as caught:
        modes_of(f"[{FAST}]", ["governor", ["performance"], None, reason])
    assert str(caught.value) == (
        f"search.power_mode can't be set here: governor: {reason}.\nOr leave search.power_mode out."
    )
    assert caught.value.exit_code == 3


def test_what_is_in_force_must_have_a_name_to_be_the_baselines(modes_of):
    with pytest.raises(MissingError, match=r"has no name.*Set one of performance, powersave by"):
        modes_of(f"[{FAST}]", ["governor", ["performance", "powersave"], None, None])


def test_a_device_that_can_not_be_asked_is_missing(space_of):
    device = Device()
    device.said = DeviceLost("the link is cut.")
    with pytest.raises(MissingError, match="the link is cut"):
        find_power_modes(space_of(f"search: {{power_mode: {FAST}}}\n"), device)


@pytest.fixture
def plan_of(space_of, target_of, workload, modes_of):
    """Return a function that plans a space with modes on a device with a governor."""

    def plan(written, **changes):
        search = f"search: {{precision: [fp32, int8], power_mode: {written}}}\n"
        space = space_of(OBJECTIVES + search)
        target = target_of("onnxruntime", "openvino")
        modes = find_power_modes(space, Device(GOVERNOR))
        return make_plan(space, replace(target, power_modes=modes, **changes), workload)

    return plan


def test_the_baseline_and_the_first_trials_have_the_mode_in_force(plan_of):
    plan = plan_of(f"[{FAST}, {SLOW}]")
    assert plan.baseline.params()["device.power_mode"] == SLOW
    assert plan.first[0] == plan.baseline
    assert {candidate.power_mode for candidate in plan.first} == {SLOW}
    assert plan.parameters.searched["device.power_mode"].options == (FAST, SLOW)


def test_a_baseline_outside_the_space_keeps_its_mode(plan_of):
    plan = plan_of(FAST)
    assert plan.baseline.power_mode == SLOW
    assert {candidate.power_mode for candidate in plan.first} == {FAST}


def test_every_mode_that_the_device_lacks_is_named(plan_of):
    with pytest.raises(UsageError) as caught:
        plan_of(f"[{SLOW}, governor:fast, governor:warp]")
    assert str(caught.value).splitlines() == [
        (
            f"space.yaml:6: search.power_mode must be a mode that the device has, but got "
            f"'governor:{name}'. It has governor:performance, governor:powersave."
        )
        for name in ("fast", "warp")
    ]


def test_where_nothing_is_timed_a_mode_means_nothing(plan_of):
    estimated = dict.fromkeys(("onnxruntime", "openvino"), "a rule")
    with pytest.raises(UsageError, match="needs a device that something is timed on"):
        plan_of(FAST, untimed=estimated)


@pytest.fixture
def clocks(tmp_path):
    folder = tmp_path / "clocks"
    folder.mkdir()
    found = FakeCpufreq(folder)
    why = found.why_not()
    if why is not None:
        pytest.skip(f"can't put a fake tree in the kernel's place: {why}")
    return found


@pytest.fixture
def start(start_command, clocks):
    """Return a function that starts ``python -m search`` where the fake tree is."""
    return lambda *args: start_command(clocks.command(sys.executable, "-m", "search", *args))


@pytest.fixture
def space_with(tiny_space):
    """Return a function that writes the tiny space with modes; nothing is trained."""

    def write(modes, **changes):
        quick = {"search.precision": ["fp32"], "search.distillation": None, "search.sparsity": 0}
        return tiny_space({**quick, "search.power_mode": modes, **changes})

    return write


def modes_told(record):
    """Return what each process that measured a trial says of its mode."""
    return [process["power_mode"] for process in record.facts["processes"]]


def test_each_trial_is_measured_in_its_mode_and_the_machine_is_left_as_it_was(
    space_with, start, clocks, tmp_path
):
    changes = {"budget.trials": 2, "measuring.rounds": 3}
    run = start("run", "--space", space_with([SLOW, FAST], **changes), "--run", "r", "--plain")
    said, _ = run.communicate(timeout=240)
    assert run.returncode == 0, said
    assert clocks.is_as_it_was()
    found = RunDirectory(tmp_path / "r").load()
    assert found.baseline.params["device.power_mode"] == SLOW
    assert modes_told(found.baseline) == [{"mode": SLOW, "before": SLOW}] * 3
    trials = {trial.record.params["device.power_mode"]: trial.record for trial in found.trials}
    assert list(trials) == [SLOW, FAST]
    assert trials[SLOW].artifact_sha256 == trials[FAST].artifact_sha256
    for mode, record in trials.items():
        told = modes_told(record)
        assert told
        assert all(each == {"mode": mode, "before": SLOW} for each in told)
    # Both are the same file here, so which of them is the faster one is chance.
    assert any(record.is_confirmed for record in trials.values())
    assert not any("power mode" in flag for trial in found.trials for flag in trial.record.flags)


@pytest.mark.long
def test_a_run_that_is_killed_leaves_the_machine_as_it_was_and_goes_on_in_its_modes(
    space_with, start, clocks, tmp_path
):
    changes = {"budget.trials": 1, "measuring.duration": "3s"}
    space = space_with(FAST, **changes)
    killed = start("run", "--space", space, "--run", "r", "--plain")
    wait_for(lambda: clocks.governors() == {"performance"}, seconds=200)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    wait_for(clocks.is_as_it_was)
    assert RunDirectory(tmp_path / "r").load().trials[-1:] == []

    clocks.set("performance")  # the baseline's mode isn't in force any more
    on = start("run", "--space", space, "--run", "r", "--plain")
    said, _ = on.communicate(timeout=240)
    assert on.returncode == 0, said
    assert clocks.governors() == {"performance"}
    found = RunDirectory(tmp_path / "r").load()
    assert found.baseline.params["device.power_mode"] == SLOW
    finished = [trial.record for trial in found.trials if trial.record.failure is None]
    assert [modes_told(record) for record in finished] == [[{"mode": FAST, "before": FAST}]]


@pytest.mark.long
def test_what_a_killed_run_has_left_is_put_back_before_anything_is_measured(
    space_with, start, clocks, tmp_path
):
    space = space_with([SLOW, FAST], **{"budget.trials": 1})
    remembered = {"policy0": "powersave", "policy1": "powersave"}
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    setting = {"kind": "governor", "value": "performance", "before": remembered}
    clocks.memory.write_text(json.dumps({"pid": 1, "boot_id": boot_id, "settings": [setting]}))
    clocks.set("performance")
    run = start("run", "--space", space, "--run", "r", "--plain")
    said, _ = run.communicate(timeout=240)
    assert run.returncode == 0, said
    assert "A run that was killed had left another power mode in force" in said
    assert clocks.is_as_it_was()
    assert RunDirectory(tmp_path / "r").load().baseline.params["device.power_mode"] == SLOW


@pytest.mark.long
def test_a_mode_that_the_machine_lacks_ends_with_2_and_no_clocks_with_3(
    space_with, start, run_cli, clocks
):
    run = start("run", "--space", space_with("governor:turbo"), "--run", "r")
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 2, said
    assert "It has governor:performance, governor:powersave." in " ".join(said.split())
    for policy in clocks.root.iterdir():
        shutil.rmtree(policy)
    run = start("run", "--space", space_with(FAST), "--run", "r")
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 3, said
    assert "search.power_mode can't be set here: governor: no CPU under" in said


@pytest.mark.long
def test_a_boards_mode_is_set_on_the_board_and_put_back_where_its_link_is_cut(
    space_with, clocks, run_cli, tmp_path
):
    if SSHD is None:
        pytest.skip("needs openssh-server")
    folder = tmp_path / "sshd"
    folder.mkdir()
    board = Sshd(folder, command=clocks.command)
    board.start()
    try:
        device = {"device.connect": "ssh://board", "device.python": sys.executable}
        slow = {"budget.trials": 1, "measuring.duration": "3s"}
        space = space_with(FAST, **device, **slow)
        with ThreadPoolExecutor() as pool:
            env = {"PATH": board.client_path}
            run = pool.submit(run_cli, "run", "--space", space, "--run", "r", "--plain", env=env)
            wait_for(lambda: clocks.governors() == {"performance"}, seconds=200)
            board.cut()
            wait_for(clocks.is_as_it_was)
            done = run.result()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "here went away: board: the link is cut" in done.stdout
        assert clocks.is_as_it_was()
        (trial,) = RunDirectory(tmp_path / "r").load().trials
        assert modes_told(trial.record) == [{"mode": FAST, "before": SLOW}]
        wait_for(lambda: not board.processes())
    finally:
        board.stop()
