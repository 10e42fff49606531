"""Bringing a device back that went away, from what disturbs least to what disturbs most.

::

    lost -> reopen -> reset -> reboot -> wait -> given up
              |         |         |        |
              '---------'---------'--------'--> it answers again, with all that it had

Reopening kills the worker and the link, and starts both anew; the kernel and the board have killed
them already where only this end knew better. A reset and a reboot are programs that the person
gave; without one that stage is left out. After each the device is tried until the stage's time is
over. A device that answers but loses the same job again gets the next stage at once: what hangs
inside it isn't seen from the link.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from evaluators.devices.device import Device
from evaluators.failures import DeviceLost, EvaluationFailure

REOPEN_S = 45.0
"""A link that fell is back in seconds; SSH itself needs 15 to notice."""
RESET_S = 90.0
REBOOT_S = 240.0
PROGRAM_LIMIT_S = 120.0
BOARD_VARIABLE = "EDGE_INFERENCE_SEARCH_BOARD"
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0


@dataclass(frozen=True, slots=True)
class RecoveryPlan:
    """What the person allows.

    Attributes:
        reset: A program on this machine that resets the device; None leaves that out.
        reboot: A program on the device that reboots it; None leaves that out.
        wait_s: How long to wait after everything else.
    """

    reset: tuple[str, ...] | None = None
    reboot: tuple[str, ...] | None = None
    wait_s: float = 600.0


@dataclass(slots=True)
class Recovery:
    """Brings one device back.

    Attributes:
        say: Told each stage.
        clock: Monotonic, seconds.
    """

    device: Device
    plan: RecoveryPlan
    say: Callable[[str], None]
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def bring_back(self, lost: DeviceLost, times: int) -> str | None:
        """Go through the stages until the device answers.

        Args:
            lost: What happened.
            times: How often in a row the same job lost it, this time included.

        Returns:
            None, or why it is given up, with all that was tried.
        """
        name = self.device.board or self.device.name
        self.say(f"{name} went away: {lost.reason}")
        stages = self._stages()
        reason = lost.reason
        for stage, act, patience_s in stages[min(times, len(stages)) - 1 :]:
            try:
                act()
            except EvaluationFailure as failure:
                self.say(f"{stage} of {name} failed: {failure.reason}")
            found = self._tries(patience_s)
            if found is None:
                self.say(f"{name} is back after: {stage}.")
                return None
            reason = found
            self.say(f"{name} doesn't answer after: {stage} ({reason})")
        tried = ", ".join(stage for stage, _, _ in stages)
        return f"{name} doesn't come back: {reason} Tried: {tried}."

    def _stages(self) -> list[tuple[str, Callable[[], None], float]]:
        stages: list[tuple[str, Callable[[], None], float]] = [("reopening", _nothing, REOPEN_S)]
        if self.plan.reset is not None:
            stages.append(("reset", self._reset, RESET_S))
        if self.plan.reboot is not None:
            stages.append(("reboot", self._reboot, REBOOT_S))
        return [*stages, (f"waiting up to {self.plan.wait_s:g} s", _nothing, self.plan.wait_s)]

    def _reset(self) -> None:
        assert self.plan.reset is not None
        self.device.hang_up()
        _run(self.plan.reset, self.device.board or self.device.name)

    def _reboot(self) -> None:
        assert self.plan.reboot is not None
        self.device.command(self.plan.reboot)

    def _tries(self, patience_s: float) -> str | None:
        """Reopen until it works, and return None; or why it didn't the last time."""
        deadline_s, pause_s = self.clock() + patience_s, _FIRST_PAUSE_S
        while True:
            try:
                self.device.reopen()
            except EvaluationFailure as failure:
                reason = failure.reason
            else:
                return None
            if self.clock() + pause_s >= deadline_s:
                return reason
            self.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _run(program: tuple[str, ...], board: str) -> None:
    """Run the person's program, which finds in `BOARD_VARIABLE` what it is to reset.

    Raises:
        DeviceLost: If it can't be run or fails.
    """
    try:
        done = subprocess.run(  # noqa: S603  the person's own, and no shell
            program,
            env={**os.environ, BOARD_VARIABLE: board},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PROGRAM_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DeviceLost(f"{program[0]}: {error}") from error
    if done.returncode != 0:
        said = done.stdout.decode(errors="replace").strip()[-300:]
        raise DeviceLost(f"{program[0]} ended with exit code {done.returncode}: {said}")


def _nothing() -> None:
    """Do nothing: reopening is what is tried after every stage."""
