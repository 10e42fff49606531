"""What happens where a space file's device isn't there: a stand-in, an estimate, or an error."""

from __future__ import annotations

from collections.abc import Mapping

from evaluators.benchmark.survey import Survey
from evaluators.engines.engine import Engine
from search.errors import MissingError, UsageError
from spaces.dimensions import Choice, Fixed, Value
from spaces.schema import Space


def place(space: Space) -> str:
    """Return whose CPU it is that measures: this machine's, or a board's."""
    boards = space.device.connect
    return "this machine's" if not boards else f"{boards[0].host}'s"


def processor_name(space: Space, engine: Engine, found: Survey) -> str:
    """Return what an engine really runs on, for people."""
    accelerator = found.engines[engine.name].accelerator
    cpu = f"CPU ({found.environment['cpu_model']})"
    if accelerator is None:
        return f"{place(space)} {cpu}"
    own = f"{accelerator.get('processor', engine.processor).upper()} ({accelerator['name']})"
    is_on_both = engine.processor_flag and "cpu" in chosen_processors(space, engine, found)
    return f"{place(space)} {cpu} or {own}" if is_on_both else f"{place(space)} {own}"


def chosen_processors(space: Space, engine: Engine, found: Survey) -> tuple[str, ...]:
    """Return what an engine runs on with the values of its flag that a space lets it choose."""
    flag = engine.flags(found.environment["cpu_count"])[engine.processor_flag]
    searched: tuple[Value, ...] = (flag.default,)
    written = space.search.engine_flags.get(engine.name, {}).get(engine.processor_flag)
    if isinstance(written, Fixed):
        searched = (written.value,)
    elif isinstance(written, Choice):
        searched = written.options
    return tuple(sorted({engine.processor_of(value) for value in searched}))


def stand_in_reason(engine: Engine, found: Survey) -> str | None:
    """Return why an engine can only be measured on a stand-in, at the compiler or the device."""
    there = found.engines[engine.name]
    compiler = engine.compiler_reason() if engine.compiles_on_host else there.compiler_reason
    return compiler or there.stand_in_reason


def why_absent(space: Space, engine: Engine, found: Survey) -> str | None:
    """Return why the device itself can't be measured, or None where it can.

    Raises:
        MissingError: If the space file then wants to fail.
    """
    wanted, machine = space.device.cpu_model, found.environment["cpu_model"]
    why = stand_in_reason(engine, found)
    if why is None and wanted is not None and wanted.lower() not in machine.lower():
        why = f"{place(space)} CPU is {machine}, and {space.device.name} has one of {wanted}"
    if why is not None and space.device.if_absent == "fail":
        ways = " or ".join(_ways(space, engine, found))
        raise MissingError(
            f"{space.device.name} isn't here: {why}. Attach it, or set device.if_absent: {ways}."
        )
    return why


def untimed_engines(
    space: Space, engines: Mapping[str, Engine], absent: Mapping[str, str]
) -> dict[str, str]:
    """Return the engines that nothing is timed of, each with what estimates its latency.

    Args:
        space: Which says what is wanted.
        engines: By name.
        absent: Those whose device isn't there, with the reason.

    Raises:
        UsageError: If the space file wants what an engine can't give.
    """
    found, wanted = {}, space.device.if_absent
    for name in absent:
        engine = engines[name]
        if wanted == "estimate" and engine.estimated_by:
            found[name] = engine.estimated_by
        elif wanted == "estimate":
            rule = f"must be something that {name} has"
            raise _refused(space, rule, "Use host-cpu.")
        elif not engine.has_stand_in:
            rule = f"must not be a CPU's latency, which says nothing of {name}'s"
            raise _refused(space, rule, "Use estimate.")
    return found


def absence_notice(space: Space, name: str, why: str, where: str, by: str | None) -> str:
    """Return what a person must know of an engine whose device isn't there.

    Args:
        space: Which names the device.
        name: Of the engine.
        why: It isn't there.
        where: What runs in its place, see `processor_name`.
        by: What estimates the latency; None where the CPU stands in.
    """
    instead = f"{where} instead of {space.device.name}"
    if by is None:
        return (
            f"{name}: {why}. The same model is measured on {instead}: a stand-in, marked * "
            "wherever it is shown."
        )
    return (
        f"{name}: {why}. Its latency is estimated by {by}, marked ~ wherever it is shown, and no "
        f"memory or power is known. Accuracy is that of the same model on {instead}, marked *."
    )


def _ways(space: Space, engine: Engine, found: Survey) -> list[str]:
    ways = []
    if engine.has_stand_in:
        where = processor_name(space, engine, found)
        ways.append(f"host-cpu to measure on {where}, marked as a stand-in")
    if engine.estimated_by:
        by = engine.estimated_by
        ways.append(f"estimate to take the latency from {by}, marked as an estimate")
    return ways


def _refused(space: Space, rule: str, remedy: str) -> UsageError:
    problem = space.problem("device.if_absent", rule, space.device.if_absent, remedy)
    return UsageError.of([problem])
