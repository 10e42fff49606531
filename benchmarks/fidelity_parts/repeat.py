"""The same artifact measured again: in a fresh process, and beside a busy one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.fidelity_parts.measure import P50, P90, Artifact, Measurement, is_within
from benchmarks.fidelity_parts.rig import Figures, Rig, share
from evaluators.benchmark.cpus import usable_cpus

QUIET_SHARE = 0.03
BUSY_SHARE = 0.05
_SPIN = """
import os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
print("busy", flush=True)
while True:
    pass
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two quiet measurements of an artifact, and one with ``busy_cpu`` kept busy."""

    artifact: Artifact
    first: Measurement
    second: Measurement
    busy: Measurement
    busy_cpu: int

    def agree(self, name: str) -> bool:
        """Say whether the two quiet measurements agree on a latency."""
        return is_within(QUIET_SHARE, self.first.value(name), self.second.value(name))

    @property
    def is_flagged_quiet(self) -> bool:
        """Say whether one of the quiet measurements was called disturbed."""
        return bool(self.first.flags or self.second.flags)

    @property
    def is_right_or_flagged_busy(self) -> bool:
        """Say whether the busy measurement agrees with the first quiet one, or is flagged."""
        near = is_within(BUSY_SHARE, self.first.value(P50), self.busy.value(P50))
        return near or bool(self.busy.flags)


def repeat(rig: Rig) -> Figures:
    """Measure artifacts twice in fresh processes, and a third time beside a busy process.

    In turns, the busy process sits on the CPU that was measured on, and on another.
    """
    artifacts = rig.build("repeat", rig.scale.repeated)
    pairs = []
    for number in range(rig.scale.pairs):
        turn, place = divmod(number, len(artifacts))
        rig.say(f"repeat: pair {number + 1} of {rig.scale.pairs}")
        pairs.append(_pair(rig, artifacts[place], is_on_same_cpu=(turn + place) % 2 == 0))
        for flag in pairs[-1].busy.flags:
            rig.say(f"repeat: flagged beside the busy process: {flag}")
    _show(rig, pairs)
    return {
        "repeat_within_3pct": share(pair.agree(P50) for pair in pairs),
        "repeat_within_3pct_p90": share(pair.agree(P90) for pair in pairs),
        "repeat_n_pairs": len(pairs),
        "repeat_quiet_pairs_flagged": share(pair.is_flagged_quiet for pair in pairs),
        "repeat_busy_flagged": share(bool(pair.busy.flags) for pair in pairs),
        "repeat_busy_within_5pct_or_flagged": share(p.is_right_or_flagged_busy for p in pairs),
    }


def _pair(rig: Rig, artifact: Artifact, *, is_on_same_cpu: bool) -> Pair:
    first, second = rig.measure(artifact), rig.measure(artifact)
    others = sorted(set(usable_cpus()) - set(first.cpus))
    busy_cpu = first.cpus[0] if is_on_same_cpu or not others else others[-1]
    with _busy(busy_cpu):
        return Pair(artifact, first, second, rig.measure(artifact), busy_cpu)


@contextmanager
def _busy(cpu: int) -> Iterator[None]:
    """Keep one CPU busy with a process that does nothing else."""
    spinning = subprocess.Popen(  # noqa: S603  our own code
        [sys.executable, "-c", _SPIN, str(cpu)], stdout=subprocess.PIPE
    )
    with spinning:
        try:
            assert spinning.stdout is not None
            spinning.stdout.readline()
            yield
        finally:
            spinning.kill()


def _show(rig: Rig, pairs: Sequence[Pair]) -> None:
    rows = [
        (
            pair.artifact.label,
            f"{pair.first.value(P50) * 1e3:.3f}",
            f"{pair.second.value(P50) / pair.first.value(P50):.3f}",
            f"{pair.second.value(P90) / pair.first.value(P90):.3f}",
            "yes" if pair.is_flagged_quiet else "no",
            "the same" if pair.busy_cpu in pair.first.cpus else "another",
            f"{pair.busy.value(P50) / pair.first.value(P50):.3f}",
            "yes" if pair.busy.flags else "no",
        )
        for pair in pairs
    ]
    columns = [
        *("artifact", "p50 ms", "p50 again", "p90 again", "flagged"),
        *("busy CPU", "p50 busy", "flagged"),
    ]
    rig.show("repeat: ratios to the first measurement", columns, rows)
