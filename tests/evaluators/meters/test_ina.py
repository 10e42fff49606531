"""Trees of real boards, with the names and addresses that their kernels show."""

import pytest

from evaluators.failures import DeviceLost
from evaluators.meters.ina import InaMeter

NANO = {"ina3221x/6-0040/iio:device0": [("POM_5V_IN", 2875), ("POM_5V_GPU", 40), ("POM_5V_CPU", 9)]}
TX2 = {
    "ina3221x/0-0040/iio_device": [("VDD_SYS_GPU", 152), ("VDD_SYS_SOC", 305)],
    "ina3221x/0-0041/iio_device": [("VDD_IN", 3300), ("VDD_SYS_CPU", 300), ("VDD_SYS_DDR", 400)],
    "ina3221x/0-0042/iio_device": [("VDD_MUX", 4000), ("VDD_5V0_IO_SYS", 1500)],
}
AGX_XAVIER = {
    "ina3221x/1-0040/iio:device0": [("GPU", 1000), ("CPU", 2000), ("SOC", 500)],
    "ina3221x/1-0041/iio:device1": [("CV", 100), ("VDDRQ", 400), ("SYS5V", 3000)],
}
ORIN_NANO = {
    "ina3221/1-0040/hwmon/hwmon1": [
        ("VDD_IN", 5000, 900),
        ("VDD_CPU_GPU_CV", 5000, 200),
        ("VDD_SOC", 5000, 250),
    ]
}
AGX_ORIN = {
    "ina3221/1-0040/hwmon/hwmon3": [
        ("VDD_GPU_SOC", 20_000, 150),
        ("VDD_CPU_CV", 20_000, 25),
        ("VIN_SYS_5V0", 5000, 980),
    ],
    "ina3221/1-0041/hwmon/hwmon4": [
        ("NC", 0, 0),
        ("VDDQ_VDD2_1V8AO", 5000, 80),
        ("NC", 0, 0),
    ],
}


@pytest.fixture
def board(tree):
    """Return a function that makes folder -> rails into a tree."""

    def make(folders):
        for folder, rails in folders.items():
            for index, (label, *numbers) in enumerate(rails):
                write = _write_iio if len(numbers) == 1 else _write_hwmon
                write(tree, folder, index, label, numbers)
        return tree

    return make


def _write_iio(tree, folder, index, label, numbers):
    tree[f"{folder}/rail_name_{index}"] = label
    tree[f"{folder}/in_power{index}_input"] = numbers[0]


def _write_hwmon(tree, folder, index, label, numbers):
    tree[f"{folder}/in{index + 1}_label"] = label
    tree[f"{folder}/in{index + 1}_input"] = numbers[0]
    tree[f"{folder}/curr{index + 1}_input"] = numbers[1]
    tree[f"{folder}/in7_label"] = "sum of shunt voltages"
    tree[f"{folder}/in7_input"] = 760
    tree[f"{folder}/curr4_input"] = 360


@pytest.mark.parametrize(
    ("rails", "expected_w"),
    [
        pytest.param(NANO, {"POM_5V_IN": 2.875}, id="nano"),
        pytest.param(TX2, {"VDD_IN": 3.3}, id="tx2"),
        pytest.param(
            AGX_XAVIER,
            {"GPU": 1.0, "CPU": 2.0, "SOC": 0.5, "CV": 0.1, "VDDRQ": 0.4, "SYS5V": 3.0},
            id="agx-xavier",
        ),
        pytest.param(ORIN_NANO, {"VDD_IN": 4.5}, id="orin-nano"),
        pytest.param(
            AGX_ORIN, {"VDD_GPU_SOC": 3.0, "VDD_CPU_CV": 0.5, "VIN_SYS_5V0": 4.9}, id="agx-orin"
        ),
    ],
)
def test_a_boards_power_counts_every_watt_once(board, rails, expected_w):
    """The input where it is measured, else the rails that don't feed one another."""
    meter = InaMeter(str(board(rails)))
    assert meter.unavailable_reason() is None
    meter.start()
    reading = meter.stop()
    watts = {rail: joules / reading.seconds for rail, joules in reading.domains_j.items()}
    assert watts == pytest.approx(expected_w)
    assert reading.energy_j == pytest.approx(sum(reading.domains_j.values()))


def test_a_channel_that_is_off_is_left_out(board):
    tree = board(AGX_ORIN)
    tree["ina3221/1-0040/hwmon/hwmon3/in2_enable"] = 0
    tree["ina3221/1-0040/hwmon/hwmon3/in1_enable"] = 1
    assert InaMeter(str(tree)).domains() == ["VDD_GPU_SOC", "VIN_SYS_5V0"]


def test_a_channel_without_a_label_is_not_connected(board):
    tree = board(AGX_ORIN)
    del tree["ina3221/1-0040/hwmon/hwmon3/in2_label"]
    assert InaMeter(str(tree)).domains() == ["VDD_GPU_SOC", "VIN_SYS_5V0"]


def test_two_rails_of_one_name_both_count(board):
    rails = {f"ina3221/{bus}-0040/hwmon/hwmon{bus}": [("VDD_5V", 5000, 100)] for bus in (1, 2)}
    meter = InaMeter(str(board(rails)))
    meter.start()
    assert meter.stop().power_w == pytest.approx(1.0)


def test_noise_below_zero_is_kept(board):
    tree = board(
        {"ina3221/2-0040/hwmon/hwmon5": [("VDD_GPU", 20_000, -16), ("VDD_CPU", 20_000, 80)]}
    )
    meter = InaMeter(str(tree))
    meter.start()
    assert meter.stop().power_w == pytest.approx(1.28)


def test_other_machines_say_so(tree):
    assert InaMeter(str(tree)).unavailable_reason() == (
        f"no INA3221 rail under {tree} (Jetson boards have them)"
    )


def test_permission_denied_names_the_file(board, denied):
    tree = board(ORIN_NANO)
    denied("ina3221/1-0040/hwmon/hwmon1/curr1_input")
    reason = InaMeter(str(tree)).unavailable_reason()
    path = tree.path("ina3221/1-0040/hwmon/hwmon1/curr1_input")
    assert reason == f"{path} can't be read. Allow it with: sudo chmod a+r {path}"


def test_a_rail_that_vanishes_is_named(board):
    tree = board(NANO)
    meter = InaMeter(str(tree))
    meter.start()
    del tree["ina3221x/6-0040/iio:device0/in_power0_input"]
    with pytest.raises(DeviceLost, match=r"/in_power0_input can't be read: No such file"):
        meter.stop()
