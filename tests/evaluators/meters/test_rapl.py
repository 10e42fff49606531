import itertools

import pytest

from evaluators.failures import DeviceLost
from evaluators.meters.rapl import RaplMeter

RANGE_UJ = 262_143_328_850

SERVER = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "dram",
    "intel-rapl:1": "package-1",
    "intel-rapl:1:0": "dram",
}
CLIENT = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "uncore",
    "intel-rapl:1": "psys",
    "intel-rapl-mmio:0": "package-0",
}


@pytest.fixture
def powercap(tree):
    """Return a function that makes domain -> name into a tree whose counters stand at 0."""

    def make(names):
        for domain, name in names.items():
            tree[f"{domain}/name"] = name
            tree[f"{domain}/max_energy_range_uj"] = RANGE_UJ
            tree[f"{domain}/energy_uj"] = 0
        return tree

    return make


def meter_of(tree):
    seconds = itertools.count(100.0, 2.0)
    return RaplMeter(str(tree), lambda: next(seconds))


def test_packages_and_their_memory_add_up(powercap):
    tree = powercap(SERVER)
    meter = meter_of(tree)
    meter.start()
    for domain, energy_uj in zip(SERVER, (3_000_000, 250_000, 1_500_000, 125_000), strict=True):
        tree[f"{domain}/energy_uj"] = energy_uj
    assert meter.stop() == (
        pytest.approx(4.875),
        2.0,
        2,
        pytest.approx(
            {"package-0": 3.0, "package-0/dram": 0.25, "package-1": 1.5, "package-1/dram": 0.125}
        ),
    )


def test_neither_parts_nor_the_board_nor_the_same_counter_again_count(powercap):
    """On a client CPU, psys contains the package: adding it up would count it twice."""
    tree = powercap(CLIENT)
    meter = meter_of(tree)
    assert meter.domains() == ["package-0"]
    meter.start()
    for domain in CLIENT:
        tree[f"{domain}/energy_uj"] = 1_000_000
    assert meter.stop().domains_j == {"package-0": pytest.approx(1.0)}


def test_a_limit_that_is_off_does_not_stop_the_counter(powercap):
    tree = powercap(CLIENT)
    tree["intel-rapl:0/enabled"] = 0
    assert meter_of(tree).domains() == ["package-0"]


@pytest.mark.parametrize("wrapped", ["intel-rapl:0", "intel-rapl:0:0"])
def test_a_counter_that_wraps_goes_on(powercap, wrapped):
    tree = powercap(SERVER)
    tree[f"{wrapped}/energy_uj"] = RANGE_UJ - 1_000_000
    meter = meter_of(tree)
    meter.start()
    tree[f"{wrapped}/energy_uj"] = 500_000
    assert meter.stop().energy_j == pytest.approx(1.5)


def test_power_is_energy_over_time(powercap):
    tree = powercap(CLIENT)
    meter = meter_of(tree)
    meter.start()
    tree["intel-rapl:0/energy_uj"] = 5_000_000
    assert meter.stop().power_w == pytest.approx(2.5)


def test_a_machine_without_rapl_says_so(tree):
    assert meter_of(tree).unavailable_reason() == (
        f"no RAPL package under {tree} (virtual machines have none)"
    )
    with pytest.raises(DeviceLost, match="no RAPL package under"):
        meter_of(tree).start()


def test_a_board_without_a_package_says_so(powercap):
    assert "no RAPL package" in meter_of(powercap({"intel-rapl:0": "psys"})).unavailable_reason()


def test_a_readable_tree_has_no_excuse(powercap):
    assert meter_of(powercap(SERVER)).unavailable_reason() is None


def test_permission_denied_names_the_files_and_the_remedy(powercap, denied):
    tree = powercap(SERVER)
    denied("intel-rapl:0/energy_uj", "intel-rapl:1/energy_uj")
    first, second = tree.path("intel-rapl:0/energy_uj"), tree.path("intel-rapl:1/energy_uj")
    assert meter_of(tree).unavailable_reason() == (
        f"{first} can't be read. Allow it with: sudo chmod a+r {first} {second}"
    )


def test_a_counter_that_vanishes_is_a_lost_device(powercap):
    tree = powercap(SERVER)
    meter = meter_of(tree)
    meter.start()
    del tree["intel-rapl:1/energy_uj"]
    with pytest.raises(DeviceLost, match=r"intel-rapl:1/energy_uj can't be read: No such file"):
        meter.stop()
