from __future__ import annotations

import pytest

from evaluators.engines.engine import Figure
from evaluators.engines.ethosu import EthosUEngine
from evaluators.measurement import PERCENTILES, is_timed
from evaluators.told import estimated_quantities, figures_of


class Telling(EthosUEngine):
    name = "telling"
    figures = {  # noqa: RUF012
        "telling_bytes": Figure("minimize", "measured"),
        "telling_cycles": Figure("minimize", "estimated: by heart"),
        "telling_ops": Figure("maximize", "measured"),
    }

    def unknown_figures(self):
        return {"telling_bytes": "nobody counts here"}


def test_a_figure_has_its_unit_and_where_it_comes_from():
    found = figures_of(Telling(), {"telling_bytes": 8.0, "telling_cycles": 3.0})
    assert (found["telling_bytes"].value, found["telling_bytes"].unit) == (8.0, "B")
    assert found["telling_bytes"].provenance == "measured"
    assert (found["telling_cycles"].value, found["telling_cycles"].unit) == (3.0, "1")
    assert found["telling_cycles"].provenance == "estimated: by heart"


def test_what_was_not_told_is_unavailable_and_says_why():
    found = figures_of(Telling(), {})
    assert {quantity.value for quantity in found.values()} == {None}
    assert found["telling_bytes"].provenance == "unavailable: nobody counts here"
    assert found["telling_ops"].provenance == "unavailable: the compiler of telling didn't tell"


def test_an_estimate_stands_for_every_percentile_and_the_throughput():
    found = estimated_quantities(0.002, "vela", 4, 1000)
    assert {found[name].value for name in PERCENTILES} == {0.002}
    assert found["throughput_per_s"].value == pytest.approx(2000)
    for name in (*PERCENTILES, "throughput_per_s"):
        assert found[name].provenance == "estimated: vela"
        assert (found[name].low, found[name].high, found[name].at_most) == (None, None, None)
    assert not is_timed(found)


def test_the_file_s_size_is_measured_and_nothing_that_only_a_run_would_show_is_known():
    found = estimated_quantities(0.002, "vela", 1, 1000)
    assert (found["model_size_bytes"].value, found["model_size_bytes"].provenance) == (
        1000,
        "measured",
    )
    for name in ("peak_memory_bytes", "device_memory_bytes", "power_w", "energy_j"):
        assert found[name].value is None
        assert found[name].provenance.startswith("unavailable: nothing is run on the device here")


def test_an_estimate_that_leaves_something_out_is_none():
    found = estimated_quantities(None, "vela", 1, 1000)
    assert {found[name].value for name in (*PERCENTILES, "throughput_per_s")} == {None}
    assert "vela doesn't estimate all of the model" in found["latency_p90_s"].provenance
