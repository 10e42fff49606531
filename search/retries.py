"""What is done where the device goes away under a candidate: bring it back, try again, give up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from evaluators.devices.recovery import Recovery
from evaluators.failures import DeviceLost, DiskFull
from search.errors import DeviceGone, UsageError

DEVICE_RETRIES = 6
"""A network that fails again and again takes no trial; a candidate that brings the board down each
time is given up in the end."""
MOST_LOSSES = 3
"""So many trials in a row that lost the device say that it is the device."""
_GOES_ON = "Every finished trial is kept, and the same command goes on."

_T = TypeVar("_T")


@dataclass(slots=True)
class Retries:
    """Tries work again where the device went away.

    Attributes:
        recovery: What brings the device back; None tries again at once.
        remedy: What the person is told where it ends for good.
        is_over: Set once nobody waits for what is done any more: what is lost then stays lost.
    """

    recovery: Recovery | None = None
    remedy: str = _GOES_ON
    is_over: bool = False
    _losses_in_a_row: int = 0

    def run(self, work: Callable[[], _T]) -> _T:
        """Work, and again once the device is back; the last time its loss may be the work's own.

        Raises:
            DeviceLost: If the work lost the device each time.
            DeviceGone: If it doesn't come back, or is lost by one piece of work after another.
            UsageError: If a disk is full, which is nobody's candidate's fault.
        """
        times = 0
        while True:
            try:
                result = work()
            except DiskFull as failure:
                raise disk_full(failure, self.remedy) from failure
            except DeviceLost as lost:
                times += 1
                self._bring_back(lost, times)
                if times > DEVICE_RETRIES:
                    self._count_loss(lost)
                    raise
            else:
                self._losses_in_a_row = 0
                return result

    def _bring_back(self, lost: DeviceLost, times: int) -> None:
        if self.is_over:
            raise lost
        given_up = None if self.recovery is None else self.recovery.bring_back(lost, times)
        if self.recovery is None or given_up is None:
            return
        device = self.recovery.device
        if not device.leave_out(device.board):
            raise DeviceGone(f"{given_up} {self.remedy}")
        self.recovery.say(f"{given_up} The search goes on without it.")

    def _count_loss(self, lost: DeviceLost) -> None:
        self._losses_in_a_row += 1
        if self._losses_in_a_row >= MOST_LOSSES:
            raise DeviceGone(
                f"{MOST_LOSSES} candidates in a row lost the device, each {DEVICE_RETRIES + 1} "
                f"times: {lost.reason} {self.remedy}"
            )


def disk_full(failure: DiskFull, remedy: str = _GOES_ON) -> UsageError:
    """Return what ends a run on a full disk."""
    return UsageError(f"{failure.reason} {remedy}")
