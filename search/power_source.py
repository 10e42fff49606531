"""Where power figures come from: the meter of what candidates run on, or an estimate."""

from __future__ import annotations

from collections.abc import Sequence

from evaluators.benchmark.survey import MeterFound, Survey, best_meter
from evaluators.measurement import PowerSource
from evaluators.meters import load_meter, meter_names
from search.errors import MissingError, UsageError
from spaces.errors import suggest
from spaces.field_types import MeterCommand
from spaces.schema import Space

_PROCESSORS = {"cpu": "the CPU", "gpu": "the GPU", "npu": "the NPU", "edgetpu": "the Edge TPU"}
NO_POWER: tuple[PowerSource, list[str]] = (PowerSource(None, None), [])


def find_power(
    space: Space, found: Survey, program: tuple[str, ...], processors: tuple[str, ...]
) -> tuple[PowerSource, list[str]]:
    """Return where power comes from, and what a person must know of it.

    Args:
        space: Which may name a meter, and the rated power.
        found: On the device.
        program: That the meter ``command`` runs; empty with another.
        processors: All that candidates run on.

    Raises:
        MissingError: If the meter that the space names can't be read.
        UsageError: If it measures something else.
    """
    best, rated = best_meter(found.meters, *processors), space.device.rated_power_w
    meter = best
    if found.named is not None:
        meter = _usable(best, found, found.named)
        _check_measures(space, meter, processors)
    if meter is not None:
        return PowerSource(meter.name, rated, program), []
    if rated is None:
        return NO_POWER
    boards = space.device.connect
    option = f" --connect {boards[0]}" if boards else ""
    left_out = [_PROCESSORS[each] for each in processors if each != "cpu"]
    but = f", which knows nothing of {' and '.join(left_out)}" if left_out else ""
    notice = (
        f"{no_meter(processors)}: power and energy are estimates, the share of CPU time x the "
        f"rated power of {rated:g} W{but}, marked ~ wherever they are shown. "
        f"`python -m search devices{option}` says why each meter can't be read."
    )
    return PowerSource(None, rated), [notice]


def named_meter(space: Space) -> tuple[str | None, tuple[str, ...]]:
    """Return the meter that the space file names, and the program where it is one.

    Raises:
        UsageError: If there is no such meter.
    """
    choice = space.device.meter
    name, program = (
        ("command", choice.command) if isinstance(choice, MeterCommand) else (choice, ())
    )
    if name is not None:
        try:
            load_meter(name, program)
        except KeyError:
            problem = space.problem(
                "device.meter", "must be a meter", name, suggest(name, meter_names())
            )
            raise UsageError.of([problem]) from None
    return name, program


def _check_measures(space: Space, meter: MeterFound, processors: tuple[str, ...]) -> None:
    """Make sure that a meter measures all that candidates run on, where anybody can know.

    Raises:
        UsageError: If their power would be that of something else.
    """
    if not meter.processors or set(processors) <= set(meter.processors):
        return
    rule = f"must measure what candidates run on ({', '.join(processors)})"
    remedy = f"It measures {', '.join(meter.processors)}. Leave it out to take the best found."
    raise UsageError.of([space.problem("device.meter", rule, meter.name, remedy)])


def _usable(best: MeterFound | None, found: Survey, named: MeterFound) -> MeterFound:
    """Return the meter that was named, or the best of its parts where it has several."""
    meter = named if found.meters == [named] else best or named
    if meter.unavailable_reason is not None:
        raise MissingError(
            f"device.meter {named.name}: {meter.unavailable_reason}. Leave it out to take the best "
            "found."
        )
    return meter


def no_meter(processors: Sequence[str]) -> str:
    """Return that no meter measures what candidates run on; one of each of several won't do."""
    words = " and ".join(_PROCESSORS[each] for each in processors) or "this"
    together = " together" if len(processors) > 1 else ""
    return f"No power meter here measures {words}{together}"
