"""What every part works with: how much to do, the workshop, and where to print."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.fidelity_parts.artifacts import Net, Workshop
from benchmarks.fidelity_parts.measure import Artifact, Measurement, Timing, measure
from evaluators.benchmark.attempts import ATTEMPTS
from evaluators.statistics import fewest_queries

Figures = dict[str, float | int | None]
"""Name with its unit -> value; None where there was nothing to compute it from."""
Choice = tuple[Net, str, str]
"""A net, an engine and a precision."""

_SMALL, _MIDDLE = Net(32, 32, 4), Net(64, 32, 4)
_LADDER = (
    Net(8, 16, 2),
    Net(16, 32, 2),
    _SMALL,
    Net(32, 32, 12),
    _MIDDLE,
    Net(64, 32, 8),
    Net(128, 32, 4),
    Net(128, 32, 8),
)
"""From about 0.02 to 15 ms on one core of a server."""
_ENGINES = ("openvino", "litert", "onnxruntime")
_PRECISIONS = ("fp32", "int8")
_SIX = tuple((_MIDDLE, engine, precision) for engine in _ENGINES for precision in _PRECISIONS)


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done.

    Attributes:
        timing: As a search sets it, or shorter.
        attempts: As a search makes them where something disturbs, or fewer.
        peer_duration_s: How long another tool should measure.
        peer_nets: Measured at each of ``peer_precisions`` by each tool, in ``peer_rounds`` rounds.
        repeated: What ``repeat`` takes in turn.
        covered: What ``coverage`` measures once and then ``coverage_repeats`` times.
        order_blocks: Depths of the nets in ``order``; neighbours 5 to 10 % apart.
    """

    timing: Timing
    attempts: int
    peer_duration_s: float
    peer_nets: Sequence[Net]
    peer_precisions: Sequence[str]
    peer_rounds: int
    repeated: Sequence[Choice]
    pairs: int
    covered: Sequence[Choice]
    coverage_repeats: int
    order_blocks: Sequence[int]
    order_rounds: int
    memory_net: Net


FULL = Scale(
    timing={"min_queries": fewest_queries(0.90)},
    attempts=ATTEMPTS,
    peer_duration_s=1.0,
    peer_nets=_LADDER,
    peer_precisions=_PRECISIONS,
    peer_rounds=5,
    repeated=_SIX,
    pairs=30,
    covered=(
        *_SIX,
        (_SMALL, "openvino", "fp32"),
        (_SMALL, "litert", "fp32"),
        (_SMALL, "onnxruntime", "fp32"),
        (_SMALL, "onnxruntime", "int8"),
    ),
    coverage_repeats=40,
    order_blocks=(28, 30, 32, 35, 37, 40, 43, 46, 50, 54, 58, 62, 67),
    order_rounds=5,
    memory_net=Net(128, 32, 8),
)
QUICK = Scale(
    timing={"min_queries": 64, "min_duration_s": 0.2, "offline_s": 0.01},
    attempts=1,
    peer_duration_s=0.3,
    peer_nets=(Net(8, 16, 2), _MIDDLE),
    peer_precisions=("fp32",),
    peer_rounds=2,
    repeated=((_MIDDLE, "openvino", "fp32"), (_MIDDLE, "litert", "fp32")),
    pairs=2,
    covered=((_MIDDLE, "openvino", "fp32"), (_MIDDLE, "litert", "fp32")),
    coverage_repeats=3,
    order_blocks=(28, 30, 32, 35),
    order_rounds=1,
    memory_net=_MIDDLE,
)


@dataclass(slots=True)
class Rig:
    """A run of some parts."""

    scale: Scale
    workshop: Workshop
    console: Console
    _start_s: float = field(default_factory=time.monotonic)

    def build(self, part: str, choices: Sequence[Choice]) -> list[Artifact]:
        """Return what a part measures."""
        self.say(f"{part}: building {len(choices)} artifacts")
        return [self.workshop.artifact(*choice) for choice in choices]

    def measure(self, artifact: Artifact) -> Measurement:
        """Measure in a fresh process."""
        return measure(artifact, self.scale.timing, self.scale.attempts)

    def say(self, text: str) -> None:
        """Print one line of progress; called between measurements only."""
        self.console.print(f"[dim]{time.monotonic() - self._start_s:5.0f} s  {text}[/dim]")

    def show(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Print a table; the first column is text, the others are numbers."""
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for number, column in enumerate(columns):
            table.add_column(column, justify="right" if number else "left", no_wrap=not number)
        for row in rows:
            table.add_row(*row)
        self.console.print(table)


def share(claims: Iterable[bool]) -> float:
    """Return which part of the claims is true; there must be one."""
    return statistics.mean(map(float, claims))
