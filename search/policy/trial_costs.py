"""What a trial should cost in seconds, from the stages that its own run has seen.

A stage that an earlier trial has been through with the same inputs is in the store and costs
nothing; of the others, those of the same kind say how long they take.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from statistics import median

from evaluators.candidate import Candidate
from evaluators.quantize import source_of
from search.parameters import EngineSpace
from search.policy.identity import answers_of, model_of, prefix_of, quantization_of
from search.records import TrialRecord


@dataclass(frozen=True, slots=True)
class StageInputs:
    """One stage of a candidate.

    Attributes:
        kind: Stages of the same kind take about as long.
        key: What decides the result; None for a stage that is never looked up.
        units: How many times the kind's unit it takes: epochs, for training.
    """

    kind: tuple[str, ...]
    key: Hashable
    units: float = 1.0


def stages_of(candidate: Candidate, engines: Mapping[str, EngineSpace]) -> dict[str, StageInputs]:
    """Return the stages that a candidate goes through, by name."""
    prefix, model = prefix_of(candidate), model_of(candidate)
    form = engines[candidate.engine].engine.forms[candidate.precision]
    source = source_of(form)
    settings = quantization_of(candidate)
    flags = tuple(sorted(candidate.flags.items()))
    compiled = (answers_of(candidate), flags)
    stages = {"compress": StageInputs(("compress",), prefix)}
    if candidate.distillation is not None:
        stages["distill"] = StageInputs(("distill",), model, candidate.epochs)
    stages["export"] = StageInputs(("export", source), (model, source))
    if form != source:
        stages["quantize"] = StageInputs(("quantize", form), (model, form, settings))
    engine = candidate.engine
    stages["compile"] = StageInputs(("compile", engine, candidate.precision), compiled)
    stages["benchmark"] = StageInputs(("benchmark", engine), None)
    stages["score"] = StageInputs(("score",), None)
    return stages


@dataclass(slots=True)
class TrialCosts:
    """Learns from records what stages cost, and which are in the store."""

    engines: Mapping[str, EngineSpace]
    _seconds: dict[tuple[str, ...], list[float]] = field(default_factory=lambda: defaultdict(list))
    _built: set[tuple[str, Hashable]] = field(default_factory=set)
    _medians: dict[tuple[str, ...], float] = field(default_factory=dict)

    def learn(self, candidate: Candidate, record: TrialRecord) -> None:
        """Learn from one trial, a failed one too."""
        for name, stage in stages_of(candidate, self.engines).items():
            if name not in record.stage_seconds:
                continue
            if name not in record.found_stages:
                self._seconds[stage.kind].append(record.stage_seconds[name] / stage.units)
                self._medians.clear()
            self._built.add((name, stage.key))

    @property
    def has_seen_training(self) -> bool:
        """Whether a model was trained, so that what an epoch takes is known."""
        return ("distill",) in self._seconds

    def expected_s(self, candidate: Candidate) -> float:
        """Return how long a trial should take, without the sampler."""
        stages = stages_of(candidate, self.engines)
        return sum(self._stage_s(name, stage) for name, stage in stages.items())

    def training_s(self, candidate: Candidate) -> float:
        """Return how long fine-tuning should take; 0 where there is none to do."""
        stage = stages_of(candidate, self.engines).get("distill")
        return 0.0 if stage is None else self._stage_s("distill", stage)

    def _stage_s(self, name: str, stage: StageInputs) -> float:
        if stage.key is not None and (name, stage.key) in self._built:
            return 0.0
        if stage.kind not in self._medians:  # thousands of candidates are asked about between two
            known = self._seconds.get(stage.kind) or self._like(name)
            self._medians[stage.kind] = median(known) if known else 0.0
        return stage.units * self._medians[stage.kind]

    def _like(self, name: str) -> list[float]:
        """Return what the stage took in other forms or engines; nothing where it never ran."""
        return [s for kind, seconds in self._seconds.items() if kind[0] == name for s in seconds]
