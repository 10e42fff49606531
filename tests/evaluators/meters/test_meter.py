import json
import sys

import pytest

from evaluators.benchmark.survey import best_meter, meter_found
from evaluators.meters import load_meter, meter_names
from evaluators.meters.command import CommandMeter
from evaluators.meters.hwmon import HwmonMeter
from evaluators.meters.meter import EnergyReading, Meter


class Fixed(Meter):
    """A meter of known properties that is never read."""

    def __init__(self, name, processors, preference, *, why_not=None):
        self.name = name
        self.processors = processors
        self.preference = preference
        self.why_not = why_not

    def domains(self):
        return [self.name]

    def unavailable_reason(self):
        return self.why_not

    def start(self):
        raise NotImplementedError

    def stop(self):
        raise NotImplementedError


def choose(processor, *meters):
    chosen = best_meter([meter_found(meter) for meter in meters], processor)
    return None if chosen is None else chosen.name


COUNTER = Fixed("counter", ("cpu",), 0)
BOARD = Fixed("board", ("cpu", "gpu"), 1)
UNREADABLE = Fixed("unreadable", ("cpu",), 0, why_not="no permission")


def test_a_counter_is_better_than_a_board():
    assert choose("cpu", BOARD, COUNTER) == "counter"


def test_a_meter_that_cannot_be_read_is_passed_over():
    assert choose("cpu", UNREADABLE, BOARD) == "board"
    assert choose("cpu", UNREADABLE) is None


def test_a_meter_must_measure_what_inference_runs_on():
    assert choose("gpu", COUNTER) is None
    assert choose("gpu", COUNTER, BOARD) == "board"


def test_of_two_that_are_equally_exact_the_more_specific_is_better():
    chip = Fixed("zz_chip", ("cpu",), 1)
    assert choose("cpu", BOARD, chip) == "zz_chip"


def test_what_nobody_but_the_person_knows_is_not_chosen():
    assert choose("cpu", Fixed("command", ("cpu", "gpu"), None)) is None
    assert choose("cpu", Fixed("sensor", (), 2)) is None


def test_this_versions_meters_from_the_most_exact_on():
    chosen = [load_meter(name) for name in meter_names()]
    by_preference = {meter.name: meter.preference for meter in chosen}
    assert by_preference == {
        "rapl": 0, "nvml": 0, "ina": 1, "hwmon": 2, "battery": 3, "command": None
    }  # fmt: skip


def test_parts_are_chosen_like_meters(tree):
    for hwmon, chip, power_uw in [("hwmon0", "nouveau", 1), ("hwmon1", "power_meter", 2)]:
        tree[f"{hwmon}/name"], tree[f"{hwmon}/power1_input"] = chip, power_uw
    meter = HwmonMeter(str(tree))
    assert choose("gpu", *meter.parts()) == "hwmon:nouveau"
    assert choose("cpu", *meter.parts()) == "hwmon:power_meter"


def test_a_part_is_loaded_by_its_name():
    meter = load_meter("hwmon:zenpower")
    assert (meter.name, meter.processors) == ("hwmon:zenpower", ("cpu",))


@pytest.mark.parametrize("name", ["rpl", "rapl:core", "meter", "sampled", ""])
def test_an_unknown_name_is_a_key_error(name):
    with pytest.raises(KeyError):
        load_meter(name)


def test_a_program_makes_a_command():
    meter = load_meter("command", [sys.executable, "-V"])
    assert isinstance(meter, CommandMeter)
    assert meter.domains() == [sys.executable.rpartition("/")[2]]


def test_a_reading_adds_up_and_becomes_json():
    reading = EnergyReading.of({"package-0": 3.0, "package-0/dram": 1.0}, 2.0, 41)
    assert reading.power_w == 2.0
    assert json.loads(json.dumps(reading._asdict())) == {
        "energy_j": 4.0,
        "seconds": 2.0,
        "readings": 41,
        "domains_j": {"package-0": 3.0, "package-0/dram": 1.0},
    }
