import pytest

from evaluators.failures import DeviceLost
from evaluators.meters.hwmon import HwmonMeter


@pytest.fixture
def machine(tree):
    """Return a function that adds one hwmon device: ``files`` by name, on the bus as ``device``."""

    def add(hwmon, device, **files):
        for name, value in files.items():
            tree[f"class/{hwmon}/{name}"] = value
        tree.link(f"class/{hwmon}/device", f"devices/{device}")
        return tree.path("class")

    return add


def watts_of(meter):
    meter.start()
    reading = meter.stop()
    return {name: joules / reading.seconds for name, joules in reading.domains_j.items()}


def choices(root):
    return {part.name: part.processors for part in HwmonMeter(root).parts()}


@pytest.mark.parametrize(
    ("chip", "processors"),
    [
        ("amdgpu", ()),
        ("nouveau", ("gpu",)),
        ("zenpower", ("cpu",)),
        ("fam15h_power", ("cpu",)),
        ("power_meter", ("cpu", "gpu", "npu", "edgetpu")),
    ],
)
def test_some_chips_say_by_their_name_what_they_measure(machine, chip, processors):
    root = machine("hwmon2", "0000:03:00.0", name=chip, power1_input=31_500_000)
    assert choices(root) == {f"hwmon:{chip}": processors}
    (meter,) = HwmonMeter(root).parts()
    assert meter.unavailable_reason() is None
    assert watts_of(meter) == {f"{chip}@0000:03:00.0/power1": pytest.approx(31.5)}


def test_two_rails_of_a_processor_add_up(machine):
    root = machine(
        "hwmon1",
        "0000:00:18.3",
        name="zenpower",
        power1_input=30_000_000,
        power1_label="SVI2_P_Core",
        power2_input=9_000_000,
        power2_label="SVI2_P_SoC",
    )
    assert watts_of(HwmonMeter(root, "zenpower")) == pytest.approx(
        {"zenpower@0000:00:18.3/SVI2_P_Core": 30.0, "zenpower@0000:00:18.3/SVI2_P_SoC": 9.0}
    )


def test_the_power_of_now_is_better_than_an_average_over_an_unknown_time(machine):
    root = machine(
        "hwmon1", "0000:03:00.0", name="amdgpu", power1_average=90_000_000, power1_input=30_000_000
    )
    assert list(watts_of(HwmonMeter(root, "amdgpu")).values()) == [pytest.approx(30.0)]


def test_limits_are_no_readings(machine):
    root = machine(
        "hwmon1", "0000:03:00.0", name="amdgpu", power1_cap=200_000_000, power1_average=30_000_000
    )
    assert list(watts_of(HwmonMeter(root, "amdgpu")).values()) == [pytest.approx(30.0)]


def test_of_two_gpus_the_first_one_counts(machine):
    machine("hwmon9", "0000:03:00.0", name="amdgpu", power1_input=30_000_000)
    root = machine("hwmon1", "0000:83:00.0", name="amdgpu", power1_input=70_000_000)
    assert watts_of(HwmonMeter(root, "amdgpu")) == {
        "amdgpu@0000:03:00.0/power1": pytest.approx(30.0)
    }


def test_of_two_processors_both_count(machine):
    machine("hwmon1", "0000:00:18.3", name="zenpower", power1_input=30_000_000)
    root = machine("hwmon2", "0000:00:19.3", name="zenpower", power1_input=20_000_000)
    assert sum(watts_of(HwmonMeter(root, "zenpower")).values()) == pytest.approx(50.0)


def test_a_sensor_that_measures_nobody_knows_what_has_to_be_named(machine):
    machine("hwmon1", "1-0040", name="ina226", power1_input=4_000_000)
    machine("hwmon2", "1-0041", name="ina226", power1_input=1_000_000)
    root = machine("hwmon3", "4-0058", name="pmbus", power1_input=9_000_000, power2_input=8_000_000)
    assert choices(root) == {
        "hwmon:ina226@1-0040/power1": (),
        "hwmon:ina226@1-0041/power1": (),
        "hwmon:pmbus@4-0058/power1": (),
        "hwmon:pmbus@4-0058/power2": (),
    }
    named = HwmonMeter(root).part("ina226@1-0041/power1")
    assert named.parts() == [named]
    assert watts_of(named) == {"ina226@1-0041/power1": pytest.approx(1.0)}


def test_older_drivers_keep_their_files_with_the_device(tree):
    tree["devices/ACPI000D:00/name"] = "power_meter"
    tree["devices/ACPI000D:00/power1_average"] = 180_000_000
    (tree.root / "class/hwmon0").mkdir(parents=True)
    tree.link("class/hwmon0/device", "devices/ACPI000D:00")
    meter = HwmonMeter(tree.path("class"), "power_meter")
    assert watts_of(meter) == {"power_meter@ACPI000D:00/power1": pytest.approx(180.0)}


def test_a_device_without_a_bus_goes_by_its_number(tree):
    tree["hwmon7/name"], tree["hwmon7/power1_input"] = "virtual", 5_000_000
    assert choices(str(tree)) == {"hwmon:virtual@hwmon7/power1": ()}


def test_a_machine_without_such_sensors_says_so(tree):
    meter = HwmonMeter(str(tree))
    assert meter.parts() == [meter]
    assert meter.unavailable_reason() == f"no power*_input or power*_average under {tree}"


def test_what_is_there_is_told_to_who_names_something_else(machine):
    root = machine("hwmon1", "1-0040", name="ina226", power1_input=4_000_000)
    assert HwmonMeter(root, "amdgpu").unavailable_reason() == (
        f"no amdgpu under {root}, only hwmon:ina226@1-0040/power1"
    )
    assert HwmonMeter(root).unavailable_reason() == (
        "it must be told which sensor measures the device: hwmon:ina226@1-0040/power1"
    )


def test_permission_denied_names_the_file(machine, tree, denied):
    root = machine("hwmon1", "0000:03:00.0", name="amdgpu", power1_input=30_000_000)
    denied("class/hwmon1/power1_input")
    path = tree.path("class/hwmon1/power1_input")
    assert HwmonMeter(root, "amdgpu").unavailable_reason() == (
        f"{path} can't be read. Allow it with: sudo chmod a+r {path}"
    )


def test_a_sensor_that_vanishes_is_named(machine, tree):
    root = machine("hwmon1", "0000:03:00.0", name="amdgpu", power1_input=30_000_000)
    meter = HwmonMeter(root, "amdgpu")
    meter.start()
    del tree["class/hwmon1/power1_input"]
    with pytest.raises(DeviceLost, match=r"/hwmon1/power1_input can't be read: No such file"):
        meter.stop()
