import os

import pytest

from evaluators.failures import DeviceLost
from evaluators.meters.rapl import RaplMeter

RANGE_UJ = 262_143_328_850


DOMAINS = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "dram",
    "intel-rapl:1": "package-1",
    "intel-rapl:2": "psys",
    "intel-rapl-mmio:0": "package-0",
}


@pytest.fixture
def powercap(tmp_path):
    for domain, name in DOMAINS.items():
        (tmp_path / domain).mkdir()
        (tmp_path / domain / "name").write_text(f"{name}\n")
        (tmp_path / domain / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
        (tmp_path / domain / "energy_uj").write_text("0\n")
    return tmp_path


def spend(tree, domain, energy_uj):
    (tree / domain / "energy_uj").write_text(f"{energy_uj}\n")


def test_packages_and_memory_add_up_and_nothing_is_counted_twice(powercap):
    """Neither a package's parts, nor the board that contains it, nor the same counter again."""
    meter = RaplMeter(str(powercap))
    meter.start()
    spend(powercap, "intel-rapl:0", 3_000_000)
    spend(powercap, "intel-rapl:0:0", 2_000_000)
    spend(powercap, "intel-rapl:0:1", 250_000)
    spend(powercap, "intel-rapl:1", 1_500_000)
    spend(powercap, "intel-rapl:2", 9_000_000)
    spend(powercap, "intel-rapl-mmio:0", 3_000_000)
    assert meter.stop().energy_j == pytest.approx(4.75)


def test_a_counter_that_wraps_goes_on(powercap):
    spend(powercap, "intel-rapl:0", RANGE_UJ - 1_000_000)
    meter = RaplMeter(str(powercap))
    meter.start()
    spend(powercap, "intel-rapl:0", 500_000)
    assert meter.stop().energy_j == pytest.approx(1.5)


def test_power_is_energy_over_time(powercap):
    meter = RaplMeter(str(powercap))
    meter.start()
    spend(powercap, "intel-rapl:0", 1_000_000)
    reading = meter.stop()
    assert reading.power_w == pytest.approx(reading.energy_j / reading.seconds)


def test_a_machine_without_rapl_says_so(tmp_path):
    assert "no RAPL domain" in RaplMeter(str(tmp_path)).unavailable_reason()


def test_a_readable_tree_has_no_excuse(powercap):
    assert RaplMeter(str(powercap)).unavailable_reason() is None


def test_permission_denied_names_the_file_and_the_remedy(powercap, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # tests may run as root, who may read all
    reason = RaplMeter(str(powercap)).unavailable_reason()
    assert reason == (
        f"{powercap}/intel-rapl:0/energy_uj can't be read. "
        f"Allow it with: sudo chmod a+r {powercap}/intel-rapl:0/energy_uj"
    )


def test_a_counter_that_vanishes_is_a_lost_device(powercap):
    meter = RaplMeter(str(powercap))
    meter.start()
    (powercap / "intel-rapl:1" / "energy_uj").unlink()
    with pytest.raises(DeviceLost, match=r"RAPL counter .*intel-rapl:1/energy_uj can't be read"):
        meter.stop()
