"""Several boards as one device: who gets which, and what becomes of one that is lost."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from evaluators.benchmark.survey import survey_here
from evaluators.child_process import Limits
from evaluators.devices import boards as module
from evaluators.devices.boards import Boards
from evaluators.failures import DeviceLost
from evaluators.framing import Message

LIMIT_S = 20.0
JOB = {"kind": "benchmark"}


class Board:
    """Says its name, unless its cable is pulled."""

    def __init__(self, name, **survey):
        self.name, self.found, self.limits = name, None, Limits(60.0, 0)
        self.survey = survey_here()._replace(boot_id=name, **survey)
        self.is_lost, self.is_locked, self.is_closed = False, False, False

    cpu_count = 4

    def fingerprint(self):
        return self.survey.fingerprint

    def look(self, _meter, _program):
        self.found = self.survey
        return self.survey

    def restrict(self, limits):
        self.limits = limits

    def runs_here(self, job):
        return job["kind"] == "compile"

    def run(self, job):
        if self.is_lost:
            raise DeviceLost("the cable was pulled.")
        return Message({"board": "here" if self.runs_here(job) else self.name}, [])

    @contextmanager
    def quiet(self):
        assert not self.is_locked
        self.is_locked = True
        try:
            yield
        finally:
            self.is_locked = False

    def reopen(self):
        if self.is_lost:
            raise DeviceLost("no answer.")

    def close(self):
        self.is_closed = True


@pytest.fixture
def pair():
    one, other = Board("a"), Board("b")
    return Boards("pi", [one, other]), one, other


def measure(device):
    with device.quiet():
        return device.run(JOB).body["board"], device.board


def test_each_thread_has_a_board_to_itself_and_a_third_waits(pair):
    device, *_ = pair
    both_hold, may_end = threading.Barrier(3, timeout=LIMIT_S), threading.Event()
    found = []

    def hold():
        with device.quiet():
            both_hold.wait()
            assert may_end.wait(LIMIT_S)
            found.append(device.run(JOB).body["board"])

    threads = [threading.Thread(target=hold) for _ in range(2)]
    for thread in threads:
        thread.start()
    both_hold.wait()
    late = []
    third = threading.Thread(target=lambda: late.append(measure(device)))
    third.start()
    assert late == []
    may_end.set()
    for thread in (*threads, third):
        thread.join(LIMIT_S)
    assert sorted(found) == ["a", "b"]
    assert late in ([("a", "a")], [("b", "b")])


def test_they_take_turns_and_a_thread_may_stay_on_one(pair):
    device, *_ = pair
    assert [measure(device)[0] for _ in range(3)] == ["a", "b", "a"]
    with device.staying_on("a"):
        assert [measure(device)[0] for _ in range(3)] == ["a"] * 3
    with device.staying_on():
        assert len({measure(device)[0] for _ in range(3)}) == 1
    assert device.board is None
    assert {measure(device)[0] for _ in range(2)} == {"a", "b"}


def test_what_compiles_on_the_host_needs_no_board(pair):
    device, *_ = pair
    with device.staying_on("a"):
        other = []

        def hold_b():
            with device.quiet():
                other.append(device.run({"kind": "compile"}).body["board"])

        thread = threading.Thread(target=hold_b)
        thread.start()
        thread.join(LIMIT_S)
        assert other == ["here"]
    assert device.run({"kind": "compile"}).body == {"board": "here"}


def test_a_lost_board_stays_with_who_lost_it_until_it_is_back(pair):
    device, one, other = pair
    one.is_lost = True
    with pytest.raises(DeviceLost, match="cable"):
        measure(device)
    assert device.board == "a"
    others = []
    thread = threading.Thread(target=lambda: others.extend(measure(device) for _ in range(2)))
    thread.start()
    thread.join(LIMIT_S)
    assert others == [("b", "b")] * 2
    with pytest.raises(DeviceLost, match="no answer"):
        device.reopen()
    device.hang_up()
    assert (one.is_closed, other.is_closed) == (True, False)
    one.is_lost = False
    device.reopen()
    assert {measure(device)[0] for _ in range(2)} == {"a", "b"}


def test_one_that_is_left_out_is_used_no_more(pair):
    device, one, _ = pair
    one.is_lost = True
    with pytest.raises(DeviceLost, match="cable"):
        measure(device)
    assert device.leave_out(device.board)
    assert one.is_closed
    assert [measure(device)[0] for _ in range(2)] == ["b", "b"]
    assert device.boards == ("b",)
    assert not device.leave_out("b")
    with pytest.raises(DeviceLost, match="no board of pi is left"):
        measure(device)


def test_who_stays_on_one_that_is_left_out_goes_on_with_another(pair):
    device, *_ = pair
    with device.staying_on("a"):
        assert device.leave_out("a")
        assert measure(device) == ("b", "b")
    assert measure(device)[0] == "b"


def test_a_board_alone_has_no_name_of_its_own_and_cannot_be_left_out():
    device = Boards("pi", [Board("pi")])
    assert measure(device) == ("pi", None)
    assert device.boards == ()
    assert not device.leave_out(None)
    assert measure(device) == ("pi", None)


def test_boards_must_be_alike(pair):
    device, one, other = pair
    assert device.look().fingerprint == one.survey.fingerprint
    other.survey = other.survey._replace(
        fingerprint="another", environment={**one.survey.environment, "python": "3.7.3"}
    )
    with pytest.raises(DeviceLost, match=r"^b must be the same as a, but its python is 3\.7\.3"):
        device.look()


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"distribution": "onnxruntime-gpu"}, r"it has onnxruntime-gpu \S+ and not onnxruntime"),
        ({"accelerator": {"name": "Xavier"}}, r"its onnxruntime has .*Xavier.* and not None"),
    ],
)
def test_what_tells_two_boards_apart_is_said(pair, changes, match):
    device, one, other = pair
    engines = {**one.survey.engines}
    engines["onnxruntime"] = engines["onnxruntime"]._replace(**changes)
    other.survey = other.survey._replace(engines=engines, fingerprint=str(changes))
    with pytest.raises(DeviceLost, match=match):
        device.look()
    other.survey = other.survey._replace(fingerprint=one.survey.fingerprint)
    if "accelerator" in changes:
        with pytest.raises(DeviceLost, match=match):
            device.look()


def test_there_is_a_lane_for_each_board_and_one_to_build_but_one_where_it_is_this_machine(
    pair, monkeypatch
):
    device, _, other = pair
    device.look()
    assert device.lanes == 3
    device.leave_out("a")
    assert device.lanes == 2
    monkeypatch.setattr(module, "boot_id", lambda: other.survey.boot_id)
    assert device.lanes == 1


def test_limits_and_what_is_said_reach_each(pair):
    device, one, other = pair
    said = []
    device.say = said.append
    device.restrict(Limits(5.0, 7))
    assert (one.limits, other.limits) == (Limits(5.0, 7), Limits(5.0, 7))
    one.say("busy")
    assert said == ["busy"]
