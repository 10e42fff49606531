"""What a search asks to evaluate its candidates, answered from the table in virtual time.

It stands in for `search.evaluation.Evaluator`: the same records come out, with the pipeline's own
stages, and a part of a stage costs its recorded seconds unless this run has built it before. Parts,
and what decides their content in the real store::

    compress    prune, reconstruct    start, sparsity
                dense_targets         nothing: once a run
    distill     teacher_outputs       a span of epochs: its share of what the whole training needs
                distill               the model
    export      export                the model
    quantize    quantize              the model and the form
    compile     compile               the model, engine, precision and flags
    benchmark, score                  never found
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from benchmarks.replay_parts.grid import TEACHER_OUTPUTS, ModelPoint, ShapePoint, sorted_flags
from benchmarks.replay_parts.table import ModelRow, ShapeRow, Table
from benchmarks.replay_parts.virtual_clock import VirtualClock
from evaluators.built import Measured
from evaluators.candidate import Candidate
from evaluators.compress.spans import spans_of
from evaluators.engines import load_engine
from evaluators.measurement import Quantity, score_quantity
from evaluators.quantize import EXPORTED_FORMS
from evaluators.spread import ProcessSpread
from search.evaluation import BASELINE_PROCESSES, Refuse
from search.records import GATED, Failure, TrialRecord


class _Part(NamedTuple):
    """A part of a stage.

    Attributes:
        key: What it is found by; None if it never is.
    """

    name: str
    stage: str
    key: Hashable
    seconds: float


@dataclass(slots=True)
class TableEvaluator:
    """Looks candidates up.

    Attributes:
        start: What fine-tuning starts from, one of `grid.STARTS`.
        remembers: Whether what was built is found again, as in a store.
    """

    table: Table
    clock: VirtualClock
    start: str
    remembers: bool
    spreads: dict[str, ProcessSpread] = field(default_factory=dict)
    _built: set[Hashable] = field(default_factory=set)

    @property
    def boards(self) -> tuple[None]:
        """Return that there is one machine."""
        return (None,)

    def reference_metric(self) -> float:
        """Return the metric of the model as given."""
        return self.table.reference_metric

    def evaluate(
        self,
        candidate: Candidate,
        _label: str,
        refuse: Refuse | None = None,
        _before: TrialRecord | None = None,
        *_others: object,
    ) -> TrialRecord:
        """Spend what the candidate's stages cost, and return its record.

        A probe takes as long as a measurement; a repeat finds the same numbers. Answers take no
        time of their own, so that none are spared.
        """
        refusal = load_engine(candidate.engine).refusal(candidate.precision, candidate.flags)
        if refusal is not None:
            params = dict(candidate.params())
            return TrialRecord(params, failure=Failure("rejected", refusal, "compile"))
        probed: dict[str, float] = {}
        if refuse is not None:
            found, probed = self._spend(replace(candidate, distillation=None))
            costs = _costs(self.table.shapes[shape_of(candidate)])
            record = replace(self._record_of(candidate, found, probed), quantities=costs)
            reason = refuse(record)
            if reason is not None:
                return replace(record, failure=Failure(GATED, reason, "benchmark"))
        found, seconds = self._spend(candidate)
        return self._record_of(candidate, found, _sum(probed, seconds))

    def _record_of(
        self, candidate: Candidate, found: list[str], seconds: dict[str, float]
    ) -> TrialRecord:
        return TrialRecord(
            dict(candidate.params()),
            quantities=self._quantities(candidate),
            artifact_sha256=hashlib.sha256(repr(candidate.params()).encode()).hexdigest(),
            stage_seconds=seconds,
            found_stages=[stage for stage in found if stage not in seconds],
        )

    def evaluate_baseline(self, candidate: Candidate) -> TrialRecord:
        """Evaluate, and spend what the further processes take that time a baseline."""
        record = self.evaluate(candidate, "baseline")
        for _ in range(BASELINE_PROCESSES - 1):
            self.clock.spend("benchmark", record.stage_seconds["benchmark"])
        return record

    def learn(self, repeats: Sequence[Measured]) -> None:
        """Learn nothing: a table has no processes that differ."""

    def _spend(self, candidate: Candidate) -> tuple[list[str], dict[str, float]]:
        """Return which stages were found as a whole, and the seconds of the others."""
        if not self.remembers:
            self._built.clear()
        stages: list[str] = []
        seconds: dict[str, float] = {}
        for part in self._parts(candidate):
            stages.append(part.stage)
            if part.key in self._built:
                continue
            if part.key is not None:
                self._built.add(part.key)
            self.clock.spend(part.name, part.seconds)
            seconds[part.stage] = seconds.get(part.stage, 0.0) + part.seconds
        return [stage for stage in dict.fromkeys(stages) if stage not in seconds], seconds

    def _parts(self, candidate: Candidate) -> Iterator[_Part]:
        point, shape = model_of(candidate, self.start), shape_of(candidate)
        costs_s, compiled_s = self.table.models[point].costs_s, self.table.shapes[shape].costs_s
        for name, cost in costs_s.items():
            if name in ("prune", "reconstruct"):
                yield _Part(name, "compress", (name, point.start, point.sparsity), cost)
            elif name == "dense_targets":
                yield _Part(name, "compress", (name,), cost)
            elif name.startswith(TEACHER_OUTPUTS):
                for span in spans_of(point.epochs):
                    share = len(span) / point.epochs
                    yield _Part(TEACHER_OUTPUTS, "distill", (TEACHER_OUTPUTS, span), share * cost)
            elif name in ("distill", "export"):
                yield _Part(name, name, (name, point), cost)
        form = load_engine(candidate.engine).forms[candidate.precision]
        if form not in EXPORTED_FORMS:
            yield _Part("quantize", "quantize", (form, point), costs_s[form])
        yield _Part("compile", "compile", ("compile", point, shape), compiled_s["compile"])
        for name in ("benchmark", "score"):
            yield _Part(name, name, None, compiled_s[name])

    def _quantities(self, candidate: Candidate) -> dict[str, Quantity]:
        model = self.table.models[model_of(candidate, self.start)]
        shape = self.table.shapes[shape_of(candidate)]
        return {**_costs(shape), **self._scores(model, candidate)}

    def _scores(self, model: ModelRow, candidate: Candidate) -> dict[str, Quantity]:
        metric = self.table.workload.metric
        figures = [model.right[f"{candidate.engine}/{candidate.precision}"].astype(float)]
        accuracy = score_quantity(figures, "measured")
        assert accuracy.value is not None
        drop = Quantity(
            self.table.reference_metric - accuracy.value, "1", "difference of means", "measured"
        )
        return {metric: accuracy, f"{metric}_drop": drop}


def _sum(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {name: one.get(name, 0.0) + other.get(name, 0.0) for name in {**one, **other}}


def model_of(candidate: Candidate, start: str) -> ModelPoint:
    """Return the model that a candidate is made of."""
    assert isinstance(candidate.sparsity, float)
    tuning = candidate.distillation
    if tuning is None:
        return ModelPoint(start, candidate.sparsity, 0, 0.0, 0.0)
    return ModelPoint(start, candidate.sparsity, tuning.epochs, tuning.temperature, tuning.alpha)


def shape_of(candidate: Candidate) -> ShapePoint:
    """Return what a candidate's latency and memory depend on."""
    assert isinstance(candidate.sparsity, float)
    known = load_engine(candidate.engine).flags(1)
    varying = {n: value for n, value in candidate.flags.items() if not known[n].is_hardware}
    flags = sorted_flags(varying)
    return ShapePoint(candidate.sparsity, candidate.engine, candidate.precision, flags)


def _costs(shape: ShapeRow) -> dict[str, Quantity]:
    return {
        "latency_p50_s": Quantity(shape.latency_p50_s, "s", "p50, single_stream", "measured"),
        "latency_p90_s": Quantity(shape.latency_p90_s, "s", "p90, single_stream", "measured"),
        "peak_memory_bytes": Quantity(shape.peak_memory_bytes, "B", "VmHWM", "measured"),
        "model_size_bytes": Quantity(shape.model_size_bytes, "B", "bytes on disk", "measured"),
    }
