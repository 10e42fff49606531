"""From a space file and what is found here to a plan: dimensions, baseline, first trials.

Everything that can be known to be wrong before anything is built is found here, in one pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from evaluators.candidate import Candidate
from evaluators.engines.engine import Engine
from evaluators.flag import Flag
from evaluators.statistics import fewest_queries
from evaluators.workload_facts import WorkloadFacts
from search.errors import UsageError
from search.parameters import EngineSpace, ParameterSpace, quantizer_settings
from search.plan_problems import figures_of, options_of, problems_of
from search.target import Target
from spaces.constraints import Constraint
from spaces.dimensions import Choice, Dimension, Fixed, is_number
from spaces.objectives import OBJECTIVES, Objective
from spaces.schema import Space

_OFFLINE_SHARE = 0.3
"""Throughput has no tail to catch, so it is known sooner than a percentile of latency."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything a study needs to begin.

    Attributes:
        first: Trials that aren't Optuna's to choose: the baseline, then each precision alone.
        constraints: Objective -> its bounds.
        identity: Hash of everything but the budget: two runs with the same one are one study.
        figures: What the engines add to what is measured.
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
    figures: tuple[Objective, ...] = ()

    @property
    def is_timed(self) -> bool:
        """Say whether anything is timed here; else every number but the metric is an estimate."""
        return len(self.target.untimed) < len(self.target.engines)

    @property
    def rounds(self) -> int:
        """Return how often the front is measured again; what isn't timed is the same every time."""
        rounds = self.space.measuring.rounds
        return rounds if self.is_timed else min(1, rounds)

    @property
    def timing(self) -> dict[str, float]:
        """Return how long to measure; a p99 needs more queries than a p90."""
        named = {o.name for o in self.objectives} | {o.name for o in self.constraints}
        percentile = 0.99 if "latency_p99_ms" in named else 0.90
        duration_s = self.space.measuring.duration_s
        return {
            "min_queries": fewest_queries(percentile),
            "min_duration_s": duration_s,
            "offline_s": _OFFLINE_SHARE * duration_s,
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
    problems = list(problems_of(space, target, workload, metric))
    if problems:
        raise UsageError.of(problems)
    figures = figures_of(target.engines.values())
    known = {**OBJECTIVES, metric.name: metric, **figures}
    parameters = _parameters(space, target)
    mode = None if target.power_modes is None else target.power_modes.now
    baseline = untouched(next(iter(parameters.engines.values())), mode)
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
        _first_trials(parameters, baseline),
        _identity(space, workload),
        tuple(figures.values()),
    )


def untouched(
    space: EngineSpace, power_mode: str | None, precision: str | None = None
) -> Candidate:
    """Return the unpruned model at a precision, the highest if none is named, and default flags.

    It is on the chip that the space file names, of several on the first, and in the power mode that
    was in force at the beginning.
    """
    engine, named = space.engine, precision or space.engine.default_precision
    flags = {
        name: options_of(space.flags[name])[0] if flag.is_hardware else flag.default
        for name, flag in space.known_flags.items()
        if flag.matters_for(named)
    }
    settings = quantizer_settings(engine, named)
    return Candidate(engine.name, named, quantization=settings, flags=flags, power_mode=power_mode)


def _first_trials(parameters: ParameterSpace, baseline: Candidate) -> tuple[Candidate, ...]:
    """Return the baseline if it's inside, then each precision alone, as near as possible."""
    wanted = [baseline] if parameters.params_of(baseline) is not None else []
    for space in parameters.engines.values():
        alone = (
            untouched(space, baseline.power_mode, str(precision))
            for precision in options_of(space.precision)
        )
        wanted += [parameters.nearest(candidate) for candidate in alone]
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
        for precision in options_of(engine_space.precision):
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
        search.power_mode,
        search.sparsity_pattern,
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
    if flag.is_hardware:
        return Fixed(flag.default)
    if len(flag.values) == 1:
        return Fixed(flag.values[0])
    return Choice(tuple(flag.values), is_ordered=all(is_number(value) for value in flag.values))


def _identity(space: Space, workload: WorkloadFacts) -> str:
    """Hash what the space file says, without what may change between two sessions of one run."""
    document = {k: v for k, v in space.document.items() if k not in ("budget", "limits")}
    # How often the front is confirmed may change; how long a latency is measured may not.
    document["measuring"] = space.measuring.duration_s
    how = ("recovery", "python")  # how the device is kept going, not what it is
    document["device"] = {k: v for k, v in document["device"].items() if k not in how}
    text = json.dumps([document, workload.metric], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
