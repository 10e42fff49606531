"""Which power modes a machine has, which are in force, and what keeps them from being set.

This file runs on the device too: Python 3.7, standard library only.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from evaluators.failures import EvaluationFailure
from evaluators.power_modes import settings_at
from evaluators.power_modes.change import mode_now, put_back_what_was_left
from evaluators.power_modes.setting import Place, Setting


class SettingFound(NamedTuple):
    """One kind of setting on a device; the fields are those of `Setting`.

    Attributes:
        reason: Why it can't be set here, and how to allow it; None where it can.
    """

    kind: str
    values: List[str]
    now: Optional[str]
    reason: Optional[str]


def settings_found(place: Place) -> List[SettingFound]:
    """Look at every kind of setting."""
    return [_found(setting, place) for setting in settings_at(place).values()]


def look_at_power_modes(job: Dict[str, Any]) -> Tuple[Dict[str, Any], List[Any]]:
    """Answer with all settings of this machine.

    ``put_back`` first ends what a killed run has left, and ``was_left`` says whether that was
    anything.
    """
    place = Place()
    was_left = bool(job["put_back"]) and put_back_what_was_left(place)
    return {"was_left": was_left, "settings": settings_found(place)}, []


def say_mode_now(job: Dict[str, Any]) -> Tuple[Dict[str, Any], List[Any]]:
    """Answer with the mode in force, in the settings of ``mode``; None where it has no name."""
    return {"now": mode_now(job["mode"], Place())}, []


def _found(setting: Setting, place: Place) -> SettingFound:
    try:
        values = setting.values()
        if not values:
            return SettingFound(setting.kind, [], None, setting.absence())
        reason = setting.unsettable_reason() or _unwritable_reason(place)
        return SettingFound(setting.kind, values, None if reason else setting.now(), reason)
    except EvaluationFailure as failure:
        return SettingFound(setting.kind, [], None, failure.reason.rstrip("."))


def _unwritable_reason(place: Place) -> Optional[str]:
    folder = os.path.dirname(place.memory)
    if os.access(folder, os.W_OK, effective_ids=True):
        return None
    return "{} can't be written, where what was in force is remembered".format(folder)
