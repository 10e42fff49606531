import pytest
from pydantic import ValidationError

from spaces.constraints import PROFILES, Constraint, constraint_faults, with_profile
from spaces.errors import Fault


@pytest.mark.parametrize(
    ("profile", "latency_ms", "memory_mib", "power_w"),
    [("mobile", 30, 256, 5), ("embedded", 50, 512, 10), ("edge-server", 10, 4096, 100)],
)
def test_a_profile_brings_its_bounds(profile, latency_ms, memory_mib, power_w):
    assert with_profile({}, profile) == {
        "latency_p90_ms": Constraint(max=latency_ms),
        "peak_memory_mib": Constraint(max=memory_mib),
        "power_w": Constraint(max=power_w),
    }


def test_a_written_constraint_replaces_the_profiles():
    own = {"power_w": Constraint(max_ratio=0.5), "accuracy": Constraint(max_drop=0.02)}
    merged = with_profile(own, "mobile")
    assert merged["power_w"] == Constraint(max_ratio=0.5)
    assert merged["accuracy"] == Constraint(max_drop=0.02)
    assert merged["latency_p90_ms"] == PROFILES["mobile"]["latency_p90_ms"]


def test_without_a_profile_nothing_is_added():
    assert with_profile({"power_w": Constraint(max=3)}, None) == {"power_w": Constraint(max=3)}


@pytest.mark.parametrize("bounds", [{"max_drop": -0.1}, {"max_ratio": 0}, {"min_ratio": -1}])
def test_a_bound_that_nothing_could_mean_is_refused(bounds):
    with pytest.raises(ValidationError, match="greater than"):
        Constraint(**bounds)


@pytest.mark.parametrize(
    ("name", "bounds"),
    [
        ("latency_p90_ms", {"max": 50}),
        ("latency_p90_ms", {"max_ratio": 1.0, "max": 50}),
        ("latency_p90_ms", {"min": 1, "max": 50}),
        ("accuracy", {"max_drop": 0.02, "min": 0.9}),
        ("accuracy", {"max_drop": 0}),
        ("throughput_per_s", {"min": 100, "min_ratio": 1.5}),
        ("mAP", {"max_drop": 2.5}),
        ("edgetpu_offchip_mib", {"max": 0}),
        ("power_w", {"max": "wrong type, which the type itself refuses"}),
    ],
)
def test_sensible_bounds_have_no_fault(name, bounds):
    assert list(constraint_faults(name, bounds)) == []


@pytest.mark.parametrize(
    ("name", "bounds", "fault"),
    [
        (
            "latency_p9_ms",
            {"max": 3},
            (("latency_p9_ms",), "is not an objective", "", "Did you mean latency_p99_ms?"),
        ),
        (
            "power_w",
            {},
            (("power_w",), "must hold a bound", "{}", "Write e.g. power_w: {max_ratio: 1}."),
        ),
        (
            "power_w",
            {"max": None},
            (("power_w",), "must hold a bound", "{}", "Write e.g. power_w: {max_ratio: 1}."),
        ),
        (
            "power_w",
            {"min": 3, "max": 2},
            (("power_w", "max"), "must be at least min (3)", "2", "Swap the two."),
        ),
        (
            "mAP",
            {"min_ratio": 2, "max_ratio": 1},
            (("mAP", "max_ratio"), "must be at least min_ratio (2)", "1", "Swap the two."),
        ),
        (
            "accuracy",
            {"max": 0.02},
            (
                ("accuracy", "max"),
                "would refuse the better models, as the goal is to maximize",
                "",
                "Write min.",
            ),
        ),
        (
            "latency_p50_ms",
            {"min_ratio": 0.5},
            (
                ("latency_p50_ms", "min_ratio"),
                "would refuse the better models, as the goal is to minimize",
                "",
                "Write max_ratio.",
            ),
        ),
        (
            "power_w",
            {"max_drop": 1},
            (("power_w", "max_drop"), "is only for the metric", "", "Write max or max_ratio."),
        ),
        (
            "accuracy",
            {"max_drop": 2},
            (
                ("accuracy", "max_drop"),
                "must be at most 1",
                "2",
                "Use a fraction, e.g. 0.02 for two points.",
            ),
        ),
        (
            "model_size_mib",
            {"max": 0},
            (("model_size_mib", "max"), "must be above 0", "0", "Nothing measures less."),
        ),
    ],
)
def test_each_fault(name, bounds, fault):
    assert list(constraint_faults(name, bounds)) == [Fault(*fault)]
