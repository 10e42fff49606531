import pytest

from spaces.objectives import (
    ACCURACY,
    OBJECTIVES,
    figure_objective,
    likely_objective,
    objective,
)


@pytest.mark.parametrize(
    ("name", "direction", "unit", "si_name", "si", "shown", "resolution"),
    [
        ("latency_p50_ms", "minimize", "ms", "latency_p50_s", 0.002, 2, 0.02),
        ("latency_p90_ms", "minimize", "ms", "latency_p90_s", 0.002, 2, 0.02),
        ("latency_p99_ms", "minimize", "ms", "latency_p99_s", 0.002, 2, 0.02),
        ("throughput_per_s", "maximize", "/s", "throughput_per_s", 500, 500, 0.02),
        ("peak_memory_mib", "minimize", "MiB", "peak_memory_bytes", 3 * 2**20, 3, 0.01),
        ("device_memory_mib", "minimize", "MiB", "device_memory_bytes", 2**19, 0.5, 0.01),
        ("model_size_mib", "minimize", "MiB", "model_size_bytes", 2**20, 1, 0.01),
        ("power_w", "minimize", "W", "power_w", 2.5, 2.5, 0.05),
        ("energy_mj", "minimize", "mJ", "energy_j", 0.25, 250, 0.05),
        ("accuracy", "maximize", "", "accuracy", 0.97, 0.97, 0),
    ],
)
def test_each_objective(name, direction, unit, si_name, si, shown, resolution):
    found = objective(name)
    assert (found.name, found.direction, found.unit) == (name, direction, unit)
    assert (found.si_name, found.resolution) == (si_name, resolution)
    assert found.shown_from_si(si) == pytest.approx(shown)
    assert found.si_from_shown(shown) == pytest.approx(si)


def test_the_table_has_no_others():
    assert len(OBJECTIVES) == 10
    assert OBJECTIVES["accuracy"] is ACCURACY


def test_an_unknown_objective_is_a_key_error():
    with pytest.raises(KeyError, match="edgetpu_offchip_mib"):
        objective("edgetpu_offchip_mib")


@pytest.mark.parametrize(
    ("name", "likely"),
    [
        ("latency_p95_ms", "latency_p99_ms"),
        ("latency_p90_s", "latency_p90_ms"),
        ("latency_p90", "latency_p90_ms"),
        ("peak_memory_mb", "peak_memory_mib"),
        ("acuracy", "accuracy"),
        ("power", "power_w"),
        ("memory", "peak_memory_mib"),
        ("latency", "latency_p90_ms"),
    ],
)
def test_a_slip_finds_what_was_meant(name, likely):
    assert likely_objective(name) == likely


@pytest.mark.parametrize(
    "name",
    [
        *OBJECTIVES,
        "top1_accuracy",
        "mAP",
        "f1",
        "miou",
        "edgetpu_offchip_mib",
        "ethosu_cycles",
        "ethosu_sram_mib",
        "edgetpu_subgraphs",
        "perplexity",
        "mean_absolute_error",
    ],
)
def test_a_metric_or_an_engines_own_figure_is_no_slip(name):
    assert likely_objective(name) is None


def test_bytes_that_an_engine_tells_are_shown_as_mib():
    found = figure_objective("ethosu_sram_bytes", "minimize")
    assert (found.name, found.unit) == ("ethosu_sram_mib", "MiB")
    assert (found.si_name, found.shown_from_si(2**20)) == ("ethosu_sram_bytes", 1)
    assert figure_objective("edgetpu_onchip_free_bytes", "maximize").direction == "maximize"


def test_counts_that_an_engine_tells_are_shown_as_they_are():
    found = figure_objective("ethosu_npu_ops", "maximize")
    assert (found.name, found.unit, found.si_name) == ("ethosu_npu_ops", "", "ethosu_npu_ops")
    assert found.shown_from_si(7) == 7
    assert found.resolution == 0
    assert figure_objective("ethosu_cycles", "minimize").resolution == 0.02
