import pytest

from evaluators.failures import CandidateRejected
from evaluators.power_modes.nvpmodel import Nvpmodel


@pytest.fixture
def nvpmodel(jetson):
    return Nvpmodel(jetson.place)


def test_the_modes_are_those_of_the_boards_file(nvpmodel):
    assert nvpmodel.values() == ["15W", "7W", "MAXN_SUPER"]
    assert nvpmodel.now() == "15W"
    assert nvpmodel.unsettable_reason() is None


def test_a_machine_that_is_no_jetson_has_none(machine):
    assert Nvpmodel(machine.place).values() == []
    assert "lists no power mode" in Nvpmodel(machine.place).absence()


def test_a_mode_is_set_by_its_number_and_put_back(nvpmodel, jetson):
    nvpmodel.set("7W")
    assert nvpmodel.now() == "7W"
    nvpmodel.put_back("7W", "15W")
    assert nvpmodel.now() == "15W"
    assert (jetson.root / "nvpmodel.log").read_text() == "10"


def test_the_mode_in_force_is_left_alone(nvpmodel, jetson):
    nvpmodel.set("15W")
    nvpmodel.put_back("15W", "15W")
    assert not (jetson.root / "nvpmodel.log").exists()


def test_what_somebody_else_has_set_since_stays(nvpmodel, jetson):
    nvpmodel.set("7W")
    (jetson.root / "nvpmodel.now").write_text("2")
    nvpmodel.put_back("7W", "15W")
    assert nvpmodel.now() == "MAXN_SUPER"


def test_a_mode_that_needs_a_reboot_is_refused_and_nothing_reboots(nvpmodel):
    with pytest.raises(CandidateRejected, match=r"MAXN_SUPER was set, but isn't in .*Reboot requ"):
        nvpmodel.set("MAXN_SUPER")
    assert nvpmodel.now() == "15W"
