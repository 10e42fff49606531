"""Bounds that a deployable model must keep, and the profiles that bring some."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from spaces.dimensions import is_number
from spaces.errors import Fault, shown
from spaces.objectives import ACCURACY, OBJECTIVES, Objective, likely_objective
from spaces.section import Section

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Profile = Literal["mobile", "embedded", "edge-server"]


class Constraint(Section):
    """Bounds of one objective; at least one of them."""

    max: float | None = Field(default=None, examples=[50])
    """Upper bound, in the objective's own unit."""
    min: float | None = Field(default=None, examples=[0.9])
    """Lower bound, in the objective's own unit."""
    max_drop: float | None = Field(default=None, ge=0, examples=[0.02])
    """Largest loss of the metric, absolute, against the fp32 model on the host."""
    max_ratio: float | None = Field(default=None, gt=0, examples=[0.5])
    """Upper bound relative to the baseline: 0.5 is half of its value."""
    min_ratio: float | None = Field(default=None, gt=0, examples=[2])
    """Lower bound relative to the baseline: 2 is twice its value."""


def _profile(latency_ms: float, memory_mib: float, power_w: float) -> dict[str, Constraint]:
    return {
        "latency_p90_ms": Constraint(max=latency_ms),
        "peak_memory_mib": Constraint(max=memory_mib),
        "power_w": Constraint(max=power_w),
    }


PROFILES: Mapping[str, Mapping[str, Constraint]] = {
    "mobile": _profile(30, 256, 5),
    "embedded": _profile(50, 512, 10),
    "edge-server": _profile(10, 4096, 100),
}


def with_profile(
    constraints: Mapping[str, Constraint], profile: Profile | None
) -> dict[str, Constraint]:
    """Return the constraints and those of the profile; where both name an objective, the former."""
    return {**(PROFILES[profile] if profile else {}), **constraints}


def constraint_faults(name: str, bounds: Mapping[str, object]) -> Iterator[Fault]:
    """Yield what is wrong with the bounds of one objective, each at its path below constraints.

    Args:
        name: Of the objective, or of what may be the workload's or an engine's.
        bounds: As in the file. What isn't a number is passed over, since `Constraint` refuses it.
    """
    given = {key: bound for key, bound in bounds.items() if is_number(bound)}
    likely = likely_objective(name)
    if likely is not None:
        yield Fault((name,), "is not an objective", "", f"Did you mean {likely}?")
    if all(bound is None for bound in bounds.values()):
        yield Fault((name,), "must hold a bound", "{}", f"Write e.g. {name}: {{max_ratio: 1}}.")
    for low, high in (("min", "max"), ("min_ratio", "max_ratio")):
        if low in given and high in given and given[low] > given[high]:
            rule = f"must be at least {low} ({given[low]})"
            yield Fault((name, high), rule, shown(given[high]), "Swap the two.")
    if name in OBJECTIVES:
        yield from _side_faults(OBJECTIVES[name], given)
        yield from _value_faults(name, given)


def figure_faults(objective: Objective, constraint: Constraint) -> Iterator[Fault]:
    """Yield what is wrong with the bounds of something that an engine adds, as above."""
    given = constraint.model_dump(exclude_none=True)
    yield from _side_faults(objective, given)
    if "max_drop" in given:
        yield _drop_fault(objective.name)


def _side_faults(objective: Objective, given: Mapping[str, float]) -> Iterator[Fault]:
    """A lone bound on the good side would refuse the better models: a slip, such as max for min."""
    pairs = [("min", "max"), ("min_ratio", "max_ratio")]
    if objective.direction == "maximize":
        pairs = [(high, low) for low, high in pairs]
    for wrong, right in pairs:
        if wrong in given and right not in given:
            rule = f"would refuse the better models, as the goal is to {objective.direction}"
            yield Fault((objective.name, wrong), rule, "", f"Write {right}.")


def _value_faults(name: str, given: Mapping[str, float]) -> Iterator[Fault]:
    is_metric = name == ACCURACY.name
    if "max_drop" in given and not is_metric:
        yield _drop_fault(name)
    for key in ("min", "max", "max_drop") if is_metric else ("min", "max"):
        bound = given.get(key)
        if bound is not None and is_metric and bound > 1:
            remedy = "Use a fraction, e.g. 0.02 for two points."
            yield Fault((name, key), "must be at most 1", shown(bound), remedy)
        elif bound is not None and not is_metric and bound <= 0:
            yield Fault((name, key), "must be above 0", shown(bound), "Nothing measures less.")


def _drop_fault(name: str) -> Fault:
    return Fault((name, "max_drop"), "is only for the metric", "", "Write max or max_ratio.")
