import pytest

from evaluators.failures import DeviceLost
from evaluators.meters.battery import BatteryMeter


@pytest.fixture
def laptop(tree):
    """Return a function that adds one supply, by default a battery in use."""

    def add(name, **files):
        for file, value in {"type": "Battery", "status": "Discharging", **files}.items():
            tree[f"{name}/{file}"] = value
        return BatteryMeter(str(tree))

    return add


def watts_of(meter):
    meter.start()
    reading = meter.stop()
    return {name: joules / reading.seconds for name, joules in reading.domains_j.items()}


def test_power_is_what_the_battery_says(laptop):
    meter = laptop("BAT0", power_now=8_400_000)
    assert meter.unavailable_reason() is None
    assert watts_of(meter) == {"BAT0": pytest.approx(8.4)}


@pytest.mark.parametrize("current_ua", [700_000, -700_000])
def test_or_current_times_voltage_whatever_its_sign(laptop, current_ua):
    meter = laptop("BAT0", current_now=current_ua, voltage_now=12_000_000)
    assert watts_of(meter) == {"BAT0": pytest.approx(8.4)}


def test_all_batteries_that_discharge_add_up(laptop):
    laptop("BAT0", power_now=5_000_000)
    laptop("BAT1", power_now=3_000_000)
    laptop("BAT2", power_now=0, status="Full")
    laptop("AC", type="Mains", online=0)
    meter = laptop("hidpp_battery_0", power_now=1_000_000, scope="Device")
    assert watts_of(meter) == pytest.approx({"BAT0": 5.0, "BAT1": 3.0})


@pytest.mark.parametrize("status", ["Charging", "Full", "Not charging", "Unknown"])
def test_on_mains_it_says_what_to_do(laptop, status):
    meter = laptop("BAT0", power_now=8_400_000, status=status)
    assert meter.unavailable_reason() == (
        f"BAT0 is {status}, and on mains it says nothing of the consumption: unplug it"
    )
    with pytest.raises(DeviceLost, match=r"^battery: BAT0 is .*: unplug it\.$"):
        meter.start()


def test_a_machine_without_a_battery_says_so(tree, laptop):
    assert laptop("AC", type="Mains").unavailable_reason() == f"no battery under {tree}"


def test_plugging_it_in_meanwhile_is_noticed(laptop, tree):
    meter = laptop("BAT0", power_now=8_400_000)
    meter.start()
    tree["BAT0/status"] = "Charging"
    with pytest.raises(DeviceLost, match=r"/BAT0 must discharge while .* but is Charging\. Leave"):
        meter.stop()


def test_a_battery_that_vanishes_is_named(laptop, tree):
    meter = laptop("BAT0", power_now=8_400_000)
    meter.start()
    del tree["BAT0/status"]
    with pytest.raises(DeviceLost, match=r"/BAT0 must discharge while it is measured, but is gone"):
        meter.stop()


def test_permission_denied_names_the_file(laptop, tree, denied):
    meter = laptop("BAT0", power_now=8_400_000)
    denied("BAT0/power_now")
    path = tree.path("BAT0/power_now")
    assert meter.unavailable_reason() == (
        f"{path} can't be read. Allow it with: sudo chmod a+r {path}"
    )
