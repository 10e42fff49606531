"""From a space file and what is found here to a plan: dimensions, baseline, first trials.

Everything that can be known to be wrong before anything is built is found here, in one pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evaluators.candidate import Candidate
from evaluators.engines.engine import Engine
from evaluators.flag import Flag
from evaluators.quantize import EXPORTED_FORMS, load_quantizer
from evaluators.statistics import fewest_queries
from evaluators.workload_facts import WorkloadFacts
from search.errors import UsageError
from search.parameters import EngineSpace, ParameterSpace, quantizer_settings
from search.target import Target
from spaces.constraints import Constraint
from spaces.dimensions import Choice, Dimension, Fixed, Range, Value, is_number
from spaces.errors import Problem, shown, suggest
from spaces.objectives import OBJECTIVES, Objective
from spaces.schema import Space

_NEVER_HERE = {"device_memory_mib": "a CPU has no memory of its own apart from peak_memory_mib"}
_NEEDS_POWER = ("power_w", "energy_mj")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a study needs to begin.

    Attributes:
        first: Trials that aren't Optuna's to choose: the baseline, then each precision alone.
        constraints: Objective -> its bounds.
        identity: Hash of everything but the budget: two runs with the same one are one study.
    """

    space: Space
    target: Target
    workload: WorkloadFacts
    parameters: ParameterSpace
    objectives: tuple[Objective, ...]
    metric: Objective
    constraints: Mapping[Objective, Constraint]
    baseline: Candidate
    first: tuple[Candidate, ...]
    identity: str

    @property
    def timing(self) -> dict[str, float]:
        """Return how long to measure; a p99 needs more queries than a p90."""
        named = {o.name for o in self.objectives} | {o.name for o in self.constraints}
        percentile = 0.99 if "latency_p99_ms" in named else 0.90
        return {
            "min_queries": fewest_queries(percentile),
            "min_duration_s": self.space.measuring.duration_s,
        }


def make_plan(space: Space, target: Target, workload: WorkloadFacts) -> Plan:
    """Check a space against engines and workload.

    Raises:
        UsageError: With every problem found, each located in the space file.
    """
    metric = Objective(
        workload.metric,
        "maximize" if workload.direction == "maximize" else "minimize",
        "",
        workload.metric,
    )
    problems = [
        *_engine_problems(space, target),
        *_quantization_problems(space, target),
        *_objective_problems(space, target, metric),
        *_workload_problems(space, target, workload),
    ]
    if problems:
        raise UsageError.of(problems)
    known = {**OBJECTIVES, metric.name: metric}
    parameters = _parameters(space, target)
    baseline = baseline_of(target.engines, target.device.cpu_count)
    if parameters.params_of(baseline) is not None:
        baseline = parameters.nearest(baseline)  # the same, in the space's words: groups of layers
    return Plan(
        space,
        target,
        workload,
        parameters,
        tuple(known[name] for name in space.objectives),
        metric,
        {known[name]: bound for name, bound in space.constraints.items()},
        baseline,
        _first_trials(parameters, target, baseline),
        _identity(space, workload),
    )


def baseline_of(engines: Mapping[str, Engine], cpu_count: int) -> Candidate:
    """Return the unpruned model at the first engine's highest precision and default flags."""
    engine = next(iter(engines.values()))
    return _untouched(engine, engine.default_precision, cpu_count)


def _untouched(engine: Engine, precision: str, cpu_count: int) -> Candidate:
    known = engine.flags(cpu_count)
    flags = {name: flag.default for name, flag in known.items() if flag.matters_for(precision)}
    settings = quantizer_settings(engine, precision)
    return Candidate(engine.name, precision, quantization=settings, flags=flags)


def _first_trials(
    parameters: ParameterSpace, target: Target, baseline: Candidate
) -> tuple[Candidate, ...]:
    """Return the baseline if it's inside, then each precision alone, as near as possible."""
    wanted = [baseline] if parameters.params_of(baseline) is not None else []
    for name, space in parameters.engines.items():
        for precision in _options(space.precision):
            alone = _untouched(target.engines[name], str(precision), target.device.cpu_count)
            wanted.append(parameters.nearest(alone))
    unique: list[Candidate] = []
    for candidate in wanted:
        if candidate not in unique:
            unique.append(candidate)
    return tuple(unique)


def _parameters(space: Space, target: Target) -> ParameterSpace:
    search = space.search
    engines = {
        name: _engine_space(space, target, engine) for name, engine in target.engines.items()
    }
    defaults: dict[str, Dimension] = {}
    for name, engine_space in engines.items():
        for precision in _options(engine_space.precision):
            settings = quantizer_settings(target.engines[name], str(precision))
            defaults |= {setting: Fixed(value) for setting, value in settings.items()}
    distillation = search.distillation
    return ParameterSpace(
        engines,
        search.sparsity,
        {"importance": search.pruning.importance, "round_to": search.pruning.round_to},
        {
            "epochs": distillation.epochs,
            "temperature": distillation.temperature,
            "alpha": distillation.alpha,
        },
        {**defaults, **search.quantization},
    )


def _precision(space: Space, engine: Engine) -> Dimension:
    """Return the precisions of the space that this engine has, in the space's order."""
    asked = space.search.precision or tuple(engine.forms)
    options = tuple(word for word in asked if word in engine.forms)
    return Fixed(options[0]) if len(options) == 1 else Choice(options)


def _engine_space(space: Space, target: Target, engine: Engine) -> EngineSpace:
    named = space.search.engine_flags.get(engine.name, {})
    known = engine.flags(target.device.cpu_count)
    flags = {name: named.get(name) or _own_range(flag) for name, flag in known.items()}
    return EngineSpace(engine, _precision(space, engine), known, flags)


def _own_range(flag: Flag) -> Dimension:
    if len(flag.values) == 1:
        return Fixed(flag.values[0])
    return Choice(tuple(flag.values), is_ordered=all(is_number(value) for value in flag.values))


def _options(dimension: Dimension) -> tuple[Value, ...]:
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


def _quantization_problems(space: Space, target: Target) -> Iterator[Problem]:
    known: dict[str, Flag] = {}
    for engine in target.engines.values():
        for form in engine.forms.values():
            if form not in EXPORTED_FORMS:
                known |= load_quantizer(form).SETTINGS
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
    for value in _options(dimension):
        if not flag.accepts(value) or (isinstance(value, float) and _is_whole(flag)):
            yield space.problem(path, "must be a value it has", value, f"It accepts {choices}.")


def _is_whole(flag: Flag) -> bool:
    """Say whether a flag counts something: 1.5 threads would silently be 1."""
    return all(isinstance(value, int) for value in flag.values)


def _objective_problems(space: Space, target: Target, metric: Objective) -> Iterator[Problem]:
    known = {**OBJECTIVES, metric.name: metric}
    for kind, names in (
        ("objectives", space.objectives),
        ("constraints", tuple(space.constraints)),
    ):
        for position, name in enumerate(names):
            path = (kind, position) if kind == "objectives" else (kind, name)
            why = _why_not_measured(name, target, metric)
            if name not in known:
                remedy = suggest(name, list(known))
                yield space.problem(path, "must be something that is measured", name, remedy)
            elif why is not None:
                yield space.problem(path, "must be something that is measured", name, why)


def _why_not_measured(name: str, target: Target, metric: Objective) -> str | None:
    if name == "accuracy" and metric.name != "accuracy":
        return f"This workload's metric is called {metric.name}."
    if name in _NEVER_HERE:
        return f"On this device it isn't: {_NEVER_HERE[name]}."
    if name in _NEEDS_POWER and target.power.meter is None and target.power.rated_power_w is None:
        return (
            "There is no power meter here. Give device.rated_power_w for an estimate, or leave it "
            "out."
        )
    return None


def _workload_problems(space: Space, target: Target, workload: WorkloadFacts) -> Iterator[Problem]:
    search = space.search
    if not workload.is_trainable:
        untouched = {"sparsity": search.sparsity, "distillation": search.distillation.epochs}
        for name, dimension in untouched.items():
            if dimension != Fixed(0):
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
    forms = engine.forms.values()
    return {f if f in EXPORTED_FORMS else load_quantizer(f).SOURCE for f in forms} == {"onnx"}


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


def _identity(space: Space, workload: WorkloadFacts) -> str:
    """Hash what the space file says, without what may change between two sessions of one run."""
    document = {k: v for k, v in space.document.items() if k not in ("budget", "limits")}
    # How often the front is confirmed may change; how long a latency is measured may not.
    document["measuring"] = space.measuring.duration_s
    text = json.dumps([document, workload.metric], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
