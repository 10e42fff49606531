import pytest

from evaluators.failures import CandidateRejected
from evaluators.power_modes.jetson_clocks import JetsonClocks


@pytest.fixture
def clocks(jetson):
    return JetsonClocks(jetson.place)


def lows(machine):
    files = [machine.file(policy, "scaling_min_freq") for policy in ("policy0", "policy4")]
    return [file.read_text().strip() for file in files]


def test_it_is_there_where_the_program_is(clocks, jetson):
    assert clocks.values() == ["off", "on"]
    assert clocks.now() == "off"
    assert clocks.unsettable_reason() is None


def test_a_machine_that_is_no_jetson_has_none(machine):
    assert JetsonClocks(machine.place).values() == []


def test_what_was_stored_is_restored(clocks, jetson):
    jetson.file("policy4", "scaling_min_freq").write_text("1036800\n")
    before = clocks.remember()
    clocks.set("on")
    assert clocks.now() == "on"
    assert lows(jetson) == ["1510400", "1510400"]
    clocks.put_back("on", before)
    assert lows(jetson) == ["729600", "1036800"]


def test_off_is_left_alone(clocks, jetson):
    clocks.set("off")
    clocks.put_back("off", clocks.remember())
    assert lows(jetson) == ["729600", "729600"]


def test_one_that_is_on_already_can_not_be_switched_off(clocks):
    clocks.set("on")
    assert "on already" in clocks.unsettable_reason()
    with pytest.raises(CandidateRejected, match="jetson_clocks:off can't be set: it stays on"):
        clocks.set("off")


def test_an_error_that_ends_with_0_is_seen(clocks, jetson):
    (jetson.root / "no_gpu").touch()
    with pytest.raises(CandidateRejected, match=r"it stays off\. Error! No GPU found!"):
        clocks.set("on")
