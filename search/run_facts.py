"""What a whole run has in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from spaces.objectives import OBJECTIVES, Objective

Bounds = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What a whole run has in common.

    Attributes:
        identity: Hash of the space without its budget: a run belongs to one.
        device: Name in the space file.
        machine: What was really measured on.
        reference_metric: The metric of the float32 model on the host, or None where it has none.
        notices: What a reader must know first: stand-ins, estimates.
        space_path: Where the space file lies, absolute.
        overrides: What ``--set`` changed in it.
        bounds: Constrained objective -> lower and upper bound in the unit people see, with ratios
            and drops resolved; None where there is none.
        figures: What the engines add to what is measured, be it an objective or not.
    """

    name: str
    space_file: str
    identity: str
    seed: int
    device: str
    machine: str
    objectives: tuple[Objective, ...]
    metric: Objective
    reference_metric: float | None
    notices: tuple[str, ...]
    bounds: Mapping[str, Bounds]
    space_path: str = ""
    overrides: tuple[str, ...] = ()
    figures: tuple[Objective, ...] = ()

    @property
    def known(self) -> dict[str, Objective]:
        """Return everything that may have a number, by name."""
        return {**OBJECTIVES, **{o.name: o for o in (*self.objectives, self.metric, *self.figures)}}

    @property
    def bounded(self) -> tuple[Objective, ...]:
        """Return the constrained objectives."""
        known = self.known
        return tuple(known[name] for name in self.bounds)

    @property
    def constraints(self) -> tuple[str, ...]:
        """Return the bounds for people: ``latency_p90_ms <= 50``."""
        return tuple(text for name in self.bounds for text in self.constraints_on(name))

    def constraints_on(self, name: str) -> tuple[str, ...]:
        """Return the bounds of one objective for people, the lower one first; none for others."""
        low, high = self.bounds.get(name, (None, None))
        lower = () if low is None else (f"{name} >= {low:.4g}",)
        return lower if high is None else (*lower, f"{name} <= {high:.4g}")

    def to_json(self) -> dict[str, Any]:
        """Return plain data; `from_json` is its inverse."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Rebuild the facts from `to_json`."""
        changed = {
            "objectives": tuple(Objective(**o) for o in data["objectives"]),
            "metric": Objective(**data["metric"]),
            "notices": tuple(data["notices"]),
            "overrides": tuple(data.get("overrides", ())),
            "figures": tuple(Objective(**o) for o in data.get("figures", ())),
            "bounds": {name: tuple(pair) for name, pair in data["bounds"].items()},
        }
        return cls(**{**data, **changed})
