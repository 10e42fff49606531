"""The power modes that a space wants: whether its device has them, and may set them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from evaluators.devices.device import Device
from evaluators.failures import EvaluationFailure
from evaluators.power_modes.found import SettingFound
from evaluators.power_modes.setting import parts_of
from search.errors import MissingError, UsageError
from spaces.dimensions import Choice, Fixed
from spaces.errors import Problem, suggest
from spaces.schema import Space

_KEY = "search.power_mode"


@dataclass(frozen=True, slots=True)
class PowerModes:
    """What a device has.

    Attributes:
        now: The mode that is in force, in the settings of the space's modes.
        settings: Of each kind that the space's modes have.
        was_left: Whether a killed run had left another mode, which was put back.
    """

    now: str
    settings: Mapping[str, SettingFound]
    was_left: bool = False


def find_power_modes(space: Space, device: Device) -> PowerModes | None:
    """Look at what the modes of a space set; None where it has none, and then nothing is touched.

    Raises:
        UsageError: If there is no such kind of setting.
        MissingError: If the device doesn't have one, or this user may not set it.
    """
    modes = modes_of(space)
    if not modes:
        return None
    first, *others = (_on_board(space, device, board) for board in device.boards or (None,))
    return replace(first, was_left=any(each.was_left for each in (first, *others)))


def _on_board(space: Space, device: Device, board: str | None) -> PowerModes:
    kinds = [kind for kind, _ in parts_of(modes_of(space)[0])]
    try:
        with device.staying_on(board), device.quiet():  # another run's mode isn't the one in force
            looked_at, was_left = look_at_power_modes(device, put_back=True)
    except EvaluationFailure as failure:
        raise MissingError(failure.reason) from failure
    found = {each.kind: each for each in looked_at}
    unknown = [kind for kind in kinds if kind not in found]
    if unknown:
        rule = f"must begin with {', '.join(sorted(found))}"
        raise UsageError.of([space.problem(_KEY, rule, unknown[0], suggest(unknown[0], [*found]))])
    settings = {kind: found[kind] for kind in kinds}
    _check_settable(settings)
    now = "+".join(f"{kind}:{setting.now}" for kind, setting in settings.items())
    return PowerModes(now, settings, was_left)


def look_at_power_modes(device: Device, *, put_back: bool) -> tuple[list[SettingFound], bool]:
    """Return all settings of a device, and whether a killed run had left some of them changed.

    Args:
        device: Whose.
        put_back: Whether what it left is put back first; else nobody looks.

    Raises:
        MissingError: If the device can't be asked, or what was left can't be put back.
    """
    try:
        body = device.run({"kind": "power_modes", "put_back": put_back}).body
    except EvaluationFailure as failure:
        raise MissingError(failure.reason) from failure
    return [SettingFound(*fields) for fields in body["settings"]], body["was_left"]


def modes_of(space: Space) -> tuple[str, ...]:
    """Return the modes that a space file lists, none where it has no such key."""
    dimension = space.search.power_mode
    if isinstance(dimension, Fixed):
        return (str(dimension.value),)
    return tuple(map(str, dimension.options)) if isinstance(dimension, Choice) else ()


def power_mode_problems(
    space: Space, modes: PowerModes | None, *, is_timed: bool
) -> Iterator[Problem]:
    """Yield every mode that the device doesn't have, or all where nothing is timed."""
    if modes is None:
        return
    if not is_timed:
        rule = "needs a device that something is timed on"
        yield space.problem(_KEY, rule, None, "All latencies are estimates here: leave it out.")
    is_list = isinstance(space.search.power_mode, Choice)
    for position, mode in enumerate(modes_of(space)):
        for kind, value in parts_of(mode):
            has = [f"{kind}:{each}" for each in modes.settings[kind].values]
            if f"{kind}:{value}" not in has:
                path = ("search", "power_mode", position) if is_list else _KEY
                rule = "must be a mode that the device has"
                yield space.problem(path, rule, mode, f"It has {', '.join(has)}.")


def _check_settable(settings: Mapping[str, SettingFound]) -> None:
    reasons = [f"{kind}: {each.reason}." for kind, each in settings.items() if each.reason]
    mixed = [kind for kind, each in settings.items() if each.reason is None and each.now is None]
    reasons += [
        f"{kind}: what is in force has no name, such as CPUs with different ones. Set one of "
        f"{', '.join(settings[kind].values)} by hand first."
        for kind in mixed
    ]
    if reasons:
        lines = "\n".join(f"{_KEY} can't be set here: {reason}" for reason in reasons)
        raise MissingError(f"{lines}\nOr leave {_KEY} out.")
