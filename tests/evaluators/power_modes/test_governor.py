import pytest

from evaluators.failures import CandidateRejected, DeviceLost
from evaluators.power_modes.governor import Governor


@pytest.fixture
def governor(machine):
    return Governor(machine.place)


def test_what_every_cpu_has_can_be_set(governor):
    assert governor.values() == ["performance", "powersave", "schedutil"]


def test_a_machine_without_clocks_has_none(machine):
    empty = machine.place._replace(cpufreq=str(machine.root / "nothing"))
    assert Governor(empty).values() == []
    assert Governor(empty).now() is None
    assert "virtual machines have none" in Governor(empty).absence()


def test_all_cpus_get_it(governor, machine):
    assert governor.now() == "schedutil"
    governor.set("performance")
    assert machine.governors() == ["performance"] * 2
    assert governor.now() == "performance"


def test_different_ones_have_no_name_and_are_put_back_each(governor, machine):
    machine.file("policy4").write_text("powersave\n")
    assert governor.now() is None
    before = governor.remember()
    governor.set("performance")
    governor.put_back("performance", before)
    assert machine.governors() == ["schedutil", "powersave"]


def test_what_somebody_else_has_set_since_stays(governor, machine):
    before = governor.remember()
    governor.set("performance")
    machine.file("policy4").write_text("powersave\n")
    governor.put_back("performance", before)
    assert machine.governors() == ["schedutil", "powersave"]


def test_a_cpu_that_is_gone_is_left_out(governor, machine):
    before = governor.remember()
    governor.set("performance")
    governor.put_back("performance", {**before, "policy9": "schedutil", "../x": "schedutil"})
    assert machine.governors() == ["schedutil"] * 2


def test_a_file_that_may_not_be_written_says_how_to_allow_it(governor, machine, not_root):
    reason = governor.unsettable_reason()
    assert reason == (
        f"{machine.file('policy0')} can't be written. Allow it until the next boot with: "
        f"sudo chmod a+w {machine.cpufreq}/policy*/scaling_governor"
    )
    with pytest.raises(CandidateRejected, match=r"governor:performance can't be set: .*denied"):
        governor.set("performance")


def test_who_may_write_has_no_reason(governor):
    assert governor.unsettable_reason() is None


def test_a_file_that_can_not_be_read_is_named(governor, machine):
    machine.file("policy4").unlink()
    machine.file("policy4").mkdir()
    with pytest.raises(DeviceLost, match=r"policy4/scaling_governor can't be read"):
        governor.now()
