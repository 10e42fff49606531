"""What of a space file only engines and workload can know to be wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from evaluators.candidate import DENSE
from evaluators.engines import engine_names, load_engine
from evaluators.engines.engine import Engine
from evaluators.flag import Flag
from evaluators.quantize import settings_of, source_of
from evaluators.workload_facts import WorkloadFacts
from search.power_modes import power_mode_problems
from search.power_source import no_meter
from search.target import Target
from spaces.constraints import figure_faults
from spaces.dimensions import Choice, Dimension, Fixed, Range, Value
from spaces.errors import Problem, shown, suggest
from spaces.objectives import OBJECTIVES, Objective, figure_objective
from spaces.schema import Space

_NEEDS_POWER = ("power_w", "energy_mj")
_NEEDS_A_RUN = ("peak_memory_mib", *_NEEDS_POWER)


def problems_of(
    space: Space, target: Target, workload: WorkloadFacts, metric: Objective
) -> Iterator[Problem]:
    """Yield every problem, each located in the space file."""
    yield from _engine_problems(space, target)
    yield from _pattern_problems(space, target)
    yield from _quantization_problems(space, target)
    yield from _objective_problems(space, target, metric)
    yield from _workload_problems(space, target, workload)
    is_timed = len(target.untimed) < len(target.engines)
    yield from power_mode_problems(space, target.power_modes, is_timed=is_timed)


def options_of(dimension: Dimension) -> tuple[Value, ...]:
    """Return the values of a choice or a fixed dimension, and the ends of a range."""
    if isinstance(dimension, Fixed):
        return (dimension.value,)
    if isinstance(dimension, Choice):
        return dimension.options
    return (dimension.min, dimension.max)


def _engine_problems(space: Space, target: Target) -> Iterator[Problem]:
    words = space.search.precision or ()
    for position, word in enumerate(words):
        if not any(word in engine.forms for engine in target.engines.values()):
            accepted = ", ".join(dict.fromkeys(p for e in target.engines.values() for p in e.forms))
            where = ("search", "precision", position)
            names = " or ".join(target.engines)
            yield space.problem(where, f"must be what {names} has", word, f"It accepts {accepted}.")
    for name, engine in target.engines.items():
        if words and not any(word in engine.forms for word in words):
            rule = f"must hold a precision that {name} has"
            yield space.problem(
                "search.precision", rule, list(words), f"Add {next(iter(engine.forms))}."
            )
        yield from _flag_problems(space, engine, target.device.cpu_count)


def _flag_problems(space: Space, engine: Engine, cpu_count: int) -> Iterator[Problem]:
    known = engine.flags(cpu_count)
    for name, dimension in space.search.engine_flags.get(engine.name, {}).items():
        path = ("search", "engine_flags", engine.name, name)
        if name not in known:
            yield space.problem(
                path, "is not a flag of this engine", None, suggest(name, list(known))
            )
            continue
        yield from _value_problems(space, path, dimension, known[name])


def _pattern_problems(space: Space, target: Target) -> Iterator[Problem]:
    words = [str(word) for word in options_of(space.search.sparsity_pattern)]
    has: dict[str, list[str]] = {
        name: [word for word in words if word in engine.sparsity_patterns]
        for name, engine in target.engines.items()
    }
    for position, word in enumerate(words):
        if word != DENSE and not any(word in patterns for patterns in has.values()):
            known = [n for n in engine_names() if word in load_engine(n).sparsity_patterns]
            rule = f"must be a pattern that {' or '.join(target.engines)} has kernels for"
            remedy = f"Only {' and '.join(known)} has them. Write dense, or leave it out."
            yield space.problem(("search", "sparsity_pattern", position), rule, word, remedy)
    for name, patterns in has.items():
        if DENSE not in words and not patterns and any(has.values()):
            rule = f"must hold a pattern that {name} has kernels for"
            yield space.problem("search.sparsity_pattern", rule, words, f"Add {DENSE}.")


def _quantization_problems(space: Space, target: Target) -> Iterator[Problem]:
    known: dict[str, Flag] = {}
    for engine in target.engines.values():
        for form in engine.forms.values():
            known |= settings_of(form)
    for name, dimension in space.search.quantization.items():
        path = ("search", "quantization", name)
        if name not in known:
            remedy = suggest(name, list(known)) if known else "Leave it out: there is none here."
            yield space.problem(path, "is not a setting of these quantizers", None, remedy)
            continue
        yield from _value_problems(space, path, dimension, known[name])


def _value_problems(
    space: Space, path: tuple[str, ...], dimension: Dimension, flag: Flag
) -> Iterator[Problem]:
    choices = ", ".join(shown(value, quote="") for value in flag.values)
    if isinstance(dimension, Range) and flag.minimum is None:
        yield space.problem(path, "must be a list", "a range", f"Use some of {choices}.")
        return
    for value in options_of(dimension):
        if not flag.accepts(value) or (isinstance(value, float) and _is_whole(flag)):
            yield space.problem(path, "must be a value it has", value, f"It accepts {choices}.")


def _is_whole(flag: Flag) -> bool:
    """Say whether a flag counts something: 1.5 threads would silently be 1."""
    return all(isinstance(value, int) for value in flag.values)


def figures_of(engines: Iterable[Engine]) -> dict[str, Objective]:
    """Return what engines add to what is measured, as objectives by name."""
    found = (
        figure_objective(name, "minimize" if figure.direction == "minimize" else "maximize")
        for engine in engines
        for name, figure in engine.figures.items()
    )
    return {objective.name: objective for objective in found}


def _objective_problems(space: Space, target: Target, metric: Objective) -> Iterator[Problem]:
    figures = figures_of(target.engines.values())
    known = {**OBJECTIVES, metric.name: metric, **figures}
    for kind, names in (
        ("objectives", space.objectives),
        ("constraints", tuple(space.constraints)),
    ):
        for position, name in enumerate(names):
            path = (kind, position) if kind == "objectives" else (kind, name)
            why = _why_not_measured(name, target, metric) or _why_not_told(name, target)
            if name not in known:
                remedy = suggest(name, list(known))
                yield space.problem(path, "must be something that is measured", name, remedy)
            elif why is not None:
                yield space.problem(path, "must be something that is measured", name, why)
    for name, constraint in space.constraints.items():
        for fault in figure_faults(figures[name], constraint) if name in figures else ():
            yield space.problem(("constraints", *fault.path), fault.rule, None, fault.remedy)


def _why_not_measured(name: str, target: Target, metric: Objective) -> str | None:
    if name == "accuracy" and metric.name != "accuracy":
        return f"This workload's metric is called {metric.name}."
    silent = [e.name for e in target.engines.values() if not e.has_device_memory]
    if name == "device_memory_mib" and silent:
        return f"{_why_no_device_memory(target, silent)} Drop it, or {' and '.join(silent)}."
    if name in _NEEDS_A_RUN and target.untimed:
        engine, by = next(iter(target.untimed.items()))
        return f"Nothing is run on {engine} here, and {by} doesn't tell."
    if name in _NEEDS_POWER and target.power.meter is None and target.power.rated_power_w is None:
        keep_to_one = "Keep to one of them, give" if len(target.metered) > 1 else "Give"
        return (
            f"{no_meter(target.metered)}. {keep_to_one} device.rated_power_w for an estimate, or "
            "leave it out."
        )
    return None


def _why_no_device_memory(target: Target, silent: Iterable[str]) -> str:
    elsewhere = [name for name in silent if target.processors.get(name, ("cpu",)) != ("cpu",)]
    if elsewhere:
        return f"{' and '.join(elsewhere)} can't tell it of what runs elsewhere than on the CPU."
    return "On this device it isn't: a CPU has no memory of its own apart from peak_memory_mib."


def _why_not_told(name: str, target: Target) -> str | None:
    """Return why a figure isn't known of every engine, or None where it is, or is no figure."""
    telling = {each for each, engine in target.engines.items() if name in figures_of([engine])}
    if not telling:
        return None
    silent = [each for each in target.engines if each not in telling]
    if silent:
        return f"Only {' and '.join(sorted(telling))} has it, not {' and '.join(silent)}."
    for engine in target.engines.values():
        for si_name, why in engine.unknown_figures().items():
            if figure_objective(si_name, "minimize").name == name:
                return f"Here it isn't: {why}."
    return None


def _workload_problems(space: Space, target: Target, workload: WorkloadFacts) -> Iterator[Problem]:
    search = space.search
    if not workload.is_trainable:
        changes_it = {
            "sparsity": search.sparsity != Fixed(0),
            "sparsity_pattern": search.sparsity_pattern != Fixed(DENSE),
            "distillation": search.distillation.epochs != Fixed(0),
        }
        for name, is_asked in changes_it.items():
            if is_asked:
                remedy = "This one exists only as ONNX: leave it out."
                yield space.problem(f"search.{name}", "needs a torch model", None, remedy)
        for position, name in enumerate(space.device.engines):
            if not _eats_onnx(target.engines[name]):
                rule, remedy = (
                    "must take ONNX, as the workload is",
                    "Give a torch model, or drop it.",
                )
                yield space.problem(("device", "engines", position), rule, name, remedy)
    elif isinstance(search.sparsity, Mapping):
        yield from _group_problems(space, search.sparsity, workload.modules)


def _eats_onnx(engine: Engine) -> bool:
    return {source_of(form) for form in engine.forms.values()} == {"onnx"}


def _group_problems(
    space: Space, groups: Mapping[str, Dimension], modules: tuple[str, ...]
) -> Iterator[Problem]:
    for group in groups:
        if group not in modules:
            top = sorted({name.partition(".")[0] for name in modules if name})
            remedy = suggest(group, top)
            path = ("search", "sparsity", group)
            yield space.problem(
                path, "must be the name of one of the model's modules", group, remedy
            )
