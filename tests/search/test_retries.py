from __future__ import annotations

from types import SimpleNamespace

import pytest

from evaluators.failures import CandidateRejected, DeviceLost, DiskFull
from search.errors import DeviceGone, UsageError
from search.retries import DEVICE_RETRIES, MOST_LOSSES, Retries


class ScriptedRecovery:
    """Brings the device back so many times."""

    def __init__(self, times, others=0):
        self.times, self.asked, self.said = times, [], []
        self.device = SimpleNamespace(board="a", leave_out=lambda _board: bool(others))

    def say(self, text):
        self.said.append(text)

    def bring_back(self, lost, times):
        self.asked.append((lost.reason, times))
        return None if len(self.asked) <= self.times else "it doesn't come back: gone."


def work(*failures):
    """Return work that fails in these ways and then gives 7."""
    left = list(failures)

    def run():
        if left:
            raise left.pop(0)
        return 7

    return run


def lost(times):
    return [DeviceLost("unplugged.")] * times


def test_work_is_tried_again_and_given_up_in_the_end():
    assert Retries().run(work(*lost(DEVICE_RETRIES))) == 7
    with pytest.raises(DeviceLost, match=r"^unplugged\.$"):
        Retries().run(work(*lost(DEVICE_RETRIES + 1)))


def test_the_device_is_brought_back_before_each():
    recovery = ScriptedRecovery(2)
    assert Retries(recovery).run(work(DeviceLost("first"), DeviceLost("second"))) == 7
    assert recovery.asked == [("first", 1), ("second", 2)]


def test_a_device_that_does_not_come_back_ends_the_run():
    with pytest.raises(DeviceGone, match=r"gone\. Every finished trial is kept") as caught:
        Retries(ScriptedRecovery(0)).run(work(*lost(1)))
    assert caught.value.exit_code == 3


def test_where_another_board_is_left_the_search_goes_on_with_it():
    recovery = ScriptedRecovery(0, others=1)
    assert Retries(recovery).run(work(*lost(1))) == 7
    assert recovery.said == ["it doesn't come back: gone. The search goes on without it."]


def test_once_nobody_waits_a_lost_device_is_not_brought_back():
    recovery = ScriptedRecovery(9)
    with pytest.raises(DeviceLost, match="unplugged"):
        Retries(recovery, is_over=True).run(work(*lost(1)))
    assert recovery.asked == []


def test_so_do_several_in_a_row_that_lose_it():
    retries = Retries()
    for _ in range(MOST_LOSSES - 1):
        with pytest.raises(DeviceLost, match="unplugged"):
            retries.run(work(*lost(DEVICE_RETRIES + 1)))
    with pytest.raises(DeviceGone, match=rf"^{MOST_LOSSES} candidates in a row lost the device"):
        retries.run(work(*lost(DEVICE_RETRIES + 1)))


def test_one_that_works_starts_the_count_anew():
    retries = Retries()
    for _ in range(2 * MOST_LOSSES):
        with pytest.raises(DeviceLost, match="unplugged"):
            retries.run(work(*lost(DEVICE_RETRIES + 1)))
        retries.run(work())


def test_what_is_the_candidates_own_is_not_tried_again():
    failing = work(CandidateRejected("no such op"))
    with pytest.raises(CandidateRejected, match="no such op"):
        Retries().run(failing)
    assert failing() == 7


def test_a_full_disk_ends_the_run():
    with pytest.raises(UsageError, match=r"^the disk is full\. Every finished trial is kept"):
        Retries().run(work(DiskFull("the disk is full.")))
