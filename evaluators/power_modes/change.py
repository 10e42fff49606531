"""Setting a mode and putting back what was in force: the work of a guardian, and of who cleans up.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import os
from typing import Any, Mapping, NamedTuple, Optional

from evaluators.benchmark.kernel_files import read_text
from evaluators.failures import CandidateRejected, DeviceLost, EvaluationFailure
from evaluators.power_modes import settings_at
from evaluators.power_modes.memory import Memory
from evaluators.power_modes.setting import Place, parts_of


class Change(NamedTuple):
    """What a guardian did.

    Attributes:
        before: The mode that was in force, in the settings of the new one; None where it has no
            name.
        is_change: Whether anything had to be set.
    """

    before: Optional[str]
    is_change: bool


def mode_now(mode: str, place: Place) -> Optional[str]:
    """Return the mode in force, in the settings of ``mode``; None where it has no name.

    Raises:
        EvaluationFailure: If it can't be asked for.
    """
    settings = settings_at(place)
    kinds = [kind for kind, _ in parts_of(mode)]
    found = [(kind, settings[kind].now() if kind in settings else None) for kind in kinds]
    if any(value is None for _, value in found):
        return None
    return "+".join("{}:{}".format(kind, value) for kind, value in found)


def set_mode(mode: str, memory: Memory, place: Place) -> Change:
    """Write down what is in force, then set a mode.

    Raises:
        CandidateRejected: If it can't be set; some of it may be.
    """
    settings, wanted = settings_at(place), dict(parts_of(mode))
    before = mode_now(mode, place)
    changed = [
        setting
        for kind, setting in settings.items()
        if kind in wanted and setting.now() != wanted[kind]
    ]
    for setting in changed:
        if wanted[setting.kind] not in setting.values():
            rule = "{}:{} isn't a mode of this device.".format(setting.kind, wanted[setting.kind])
            raise CandidateRejected(rule)
    remembered = [
        {"kind": setting.kind, "value": wanted[setting.kind], "before": setting.remember()}
        for setting in changed
    ]
    boot_id = read_text(place.boot_id)
    memory.write({"pid": os.getpid(), "boot_id": boot_id, "settings": remembered})
    for setting in changed:
        setting.set(wanted[setting.kind])
    return Change(before, is_change=bool(changed))


def put_back(memory: Memory, place: Place) -> bool:
    """Put back what a memory holds and remove it; say whether it held anything.

    Raises:
        DeviceLost: If something can't be put back. The memory then stays.
    """
    try:
        remembered = memory.read()
        _put_back_parts(remembered, place)
    except DeviceLost:
        memory.release()
        raise
    memory.forget()
    return bool(remembered)


def put_back_what_was_left(place: Place) -> bool:
    """Put back what a guardian left that was killed; say whether there was anything.

    One that is still at it is waited for.

    Raises:
        DeviceLost: If it can't be put back.
    """
    memory = Memory.found(place.memory)
    return False if memory is None else put_back(memory, place)


def _put_back_parts(remembered: Mapping[str, Any], place: Place) -> None:
    """Put back each setting, whatever comes of the others; a reboot has undone some."""
    settings, reasons = settings_at(place), []
    is_same_boot = remembered.get("boot_id") == read_text(place.boot_id)
    for part in remembered.get("settings", ()):
        setting = settings[part["kind"]]
        if is_same_boot or setting.outlives_boot:
            try:
                setting.put_back(part["value"], part["before"])
            except EvaluationFailure as failure:
                reasons.append(failure.reason)
    if reasons:
        raise DeviceLost(
            "the power mode can't be put back as {} has it: {} Do it by hand, and remove the "
            "file.".format(place.memory, " ".join(reasons))
        )
