from evaluators.child_process import Limits
from evaluators.devices.local import LocalDevice
from evaluators.power_modes import found
from evaluators.power_modes.found import SettingFound, look_at_power_modes, settings_found
from evaluators.power_modes.held import held_mode


def test_a_jetson_has_all_of_them(jetson):
    assert settings_found(jetson.place) == [
        SettingFound("nvpmodel", ["15W", "7W", "MAXN_SUPER"], "15W", None),
        SettingFound("governor", ["performance", "powersave", "schedutil"], "schedutil", None),
        SettingFound("jetson_clocks", ["off", "on"], "off", None),
    ]


def test_what_a_machine_lacks_says_so(machine):
    nvpmodel, governor, clocks = settings_found(machine.place)
    assert nvpmodel == SettingFound(
        "nvpmodel",
        [],
        None,
        f"{machine.place.nvpmodel_conf} lists no power mode (Jetson boards have it)",
    )
    assert governor.now == "schedutil"
    assert (clocks.values, clocks.now) == ([], None)


def test_where_nothing_can_be_remembered_nothing_is_set(machine):
    nowhere = machine.place._replace(memory=str(machine.root / "nowhere" / "memory"))
    governor = settings_found(nowhere)[1]
    assert governor.reason == (
        f"{machine.root / 'nowhere'} can't be written, where what was in force is remembered"
    )


def test_what_a_killed_run_has_left_is_only_put_back_where_asked_to(machine, monkeypatch):
    monkeypatch.setattr(found, "Place", lambda: machine.place)
    with held_mode("governor:powersave", machine.place):
        memory = machine.memory.read_text()
    for policy in ("policy0", "policy4"):
        machine.file(policy).write_text("powersave\n")
    machine.memory.write_text(memory)
    body, _ = look_at_power_modes({"put_back": False})
    assert (body["was_left"], body["settings"][1].now) == (False, "powersave")
    body, _ = look_at_power_modes({"put_back": True})
    assert (body["was_left"], body["settings"][1].now) == (True, "schedutil")
    assert not machine.memory.exists()
    body, _ = look_at_power_modes({"put_back": True})
    assert body["was_left"] is False


def test_a_worker_looks_at_this_machine():
    device = LocalDevice("here", Limits(60.0, 2**30))
    body = device.run({"kind": "power_modes", "put_back": False}).body
    kinds = [SettingFound(*fields).kind for fields in body["settings"]]
    assert kinds == ["nvpmodel", "governor", "jetson_clocks"]


def test_a_setting_that_can_not_be_read_is_no_reason_to_fail(machine):
    machine.file("policy4", "scaling_available_governors").unlink()
    governor = settings_found(machine.place)[1]
    assert governor.values == []
    assert "policy4/scaling_available_governors can't be read" in governor.reason
