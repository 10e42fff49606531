"""Measuring the ceiling: the multiply-accumulates a second that an engine reaches at a precision.

No datasheet is asked. A net that is nothing but convolutions (`evaluators.peak_net`) is built by
the stages that build a candidate, compiled by the same engine, and timed by the same bench, in
fresh processes on the same device. On all threads first, then on half as many for as long as that
is faster: two threads of one core may get in each other's way.

So this is the most that the engine was seen to reach, not the most that the processor could do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from evaluators.bench import Bench
from evaluators.candidate import Candidate
from evaluators.engines import load_engine
from evaluators.engines.engine import Engine
from evaluators.measurement import MEASURED, PowerSource, unavailable
from evaluators.peak import Peak, macs_per_s
from evaluators.pipeline import Pipeline
from evaluators.stage_clock import StageClock
from evaluators.statistics import fewest_queries
from evaluators.workload_facts import WorkloadFacts

_TIMING = {"min_queries": fewest_queries(0.5), "min_duration_s": 0.3, "offline_s": 0.0}
"""A median is all that is asked for."""
_NETS = {"gpu": "LargeConvolutions"}
"""By what inference runs on; all else has caches like a CPU's."""
_GIGA = 1e9


@dataclass(frozen=True, slots=True)
class _Stages:
    """What builds and times one of the nets."""

    pipeline: Pipeline
    bench: Bench


@dataclass(slots=True)
class PeakMeter:
    """Measures peaks with the means of a run, whose own workload it leaves alone.

    Attributes:
        pipeline: The run's.
        bench: The run's.
    """

    pipeline: Pipeline
    bench: Bench
    _nets: dict[str, _Stages] = field(default_factory=dict)

    def measure(self, candidate: Candidate, clock: StageClock) -> Peak:
        """Measure the peak of an engine at a precision.

        Args:
            candidate: Which, and on what hardware; not pruned, and with default flags otherwise.
            clock: Takes the time of each stage.

        Raises:
            EvaluationFailure: If the net can't be built or measured.
        """
        by = self.bench.untimed.get(candidate.engine)
        if by is not None:
            why = f"nothing is timed on {self.bench.device.name}, whose latency is {by}'s estimate"
            return Peak(candidate.engine, candidate.precision, unavailable("1/s", why))
        engine = load_engine(candidate.engine)
        stages = self._stages_for(self._processor(engine, candidate))
        best: Peak | None = None
        for each in _with_fewer_threads(candidate, engine, self.bench.device.cpu_count):
            peak = _measured(stages, each, clock)
            if best is not None and not _is_faster(peak, best):
                return best
            best = peak
        assert best is not None, "there is a number of threads"
        return best

    def _processor(self, engine: Engine, candidate: Candidate) -> str:
        """Return what the net will run on; what stands in for an accelerator is a CPU."""
        if self.bench.provenance[engine.name] != MEASURED:
            return "cpu"
        flag = engine.processor_flag
        return engine.processor_of(candidate.flags[flag]) if flag else engine.processor

    def _stages_for(self, processor: str) -> _Stages:
        name = _NETS.get(processor, "Convolutions")
        if name not in self._nets:
            self._nets[name] = self._load(f"evaluators.peak_net:{name}")
        return self._nets[name]

    def _load(self, reference: str) -> _Stages:
        """Load a net in the build worker, which has what it takes to build imported already."""
        bench, builder = self.bench, self.pipeline.builder.beside(reference)
        facts = WorkloadFacts.from_json(builder.run("describe").body)
        return _Stages(
            replace(self.pipeline, workload=facts, builder=builder, batch_size=1, seed=0),
            Bench(
                facts,
                builder,
                bench.device,
                bench.store,
                PowerSource(None, None),
                1,
                bench.provenance,
                _TIMING,
                attempts=bench.attempts,
            ),
        )


def _with_fewer_threads(
    candidate: Candidate, engine: Engine, cpu_count: int
) -> Iterator[Candidate]:
    """Yield a candidate on as many threads as there may be, on half as many, and so on."""
    flag = engine.flags(cpu_count).get("threads")
    if flag is None:
        yield candidate
        return
    threads = max(int(value) for value in flag.values)
    while threads:
        yield replace(candidate, flags={**candidate.flags, "threads": threads})
        threads //= 2


def _measured(stages: _Stages, candidate: Candidate, clock: StageClock) -> Peak:
    built = stages.pipeline.build(candidate, clock)
    measured = stages.bench.measure(built, clock, ())
    macs = built.facts["compress"]["pruning"]["macs_after"]
    how = [f"convolutions of {macs / _GIGA:.2g} GMAC a query"]
    if threads := candidate.flags.get("threads"):
        how.append(f"{threads} thread{'' if threads == 1 else 's'}")
    how.append(f"runtime {measured.facts['runtime_version']}")
    found = macs_per_s(macs, measured.quantities["latency_p50_s"], ", ".join(how))
    return Peak(candidate.engine, candidate.precision, found, measured.flags)


def _is_faster(one: Peak, other: Peak) -> bool:
    """Compare two that were measured, with as many queries as their value needs."""
    assert one.macs_per_s.value is not None
    assert other.macs_per_s.value is not None
    return one.macs_per_s.value > other.macs_per_s.value
