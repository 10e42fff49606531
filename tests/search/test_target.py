from __future__ import annotations

import sys

import psutil
import pytest

from evaluators.benchmark.environment import cpu_model
from evaluators.benchmark.survey import EngineFound, survey_here
from evaluators.child_process import Limits
from evaluators.devices.boards import Boards
from evaluators.devices.ssh import SshDevice
from evaluators.engines import ethosu, load_engine
from evaluators.engines import onnxruntime as onnxruntime_engine
from evaluators.engines.engine import Missing
from evaluators.engines.nvidia.cuda import Gpu
from evaluators.failures import DeviceLost
from evaluators.measurement import PowerSource
from evaluators.meters.hwmon import METER as HWMON
from evaluators.meters.nvml import METER as NVML
from evaluators.meters.rapl import METER as RAPL
from search import power_source, target
from search.errors import MissingError, UsageError
from search.target import child_limits, find_target

ELSEWHERE = """\
version: 1
name: tiny
workload: tiny.py:Tiny
device: {{name: nuc-7, engines: [{engines}], cpu_model: Nonexistent CPU, if_absent: %s}}
"""


@pytest.fixture(autouse=True)
def _runtimes():
    pytest.importorskip("onnxruntime")
    pytest.importorskip("openvino")


def device(**keys):
    written = ", ".join(f"{key}: {value}" for key, value in keys.items())
    header = "version: 1\nname: tiny\nworkload: tiny.py:Tiny\n"
    return f"{header}device: {{{{name: here, engines: [{{engines}}], {written}}}}}\n"


@pytest.fixture(autouse=True)
def _no_cautions(monkeypatch):
    monkeypatch.setattr(target, "cautions", lambda *_: [])


@pytest.fixture
def without_meters(monkeypatch):
    monkeypatch.setattr(power_source, "best_meter", lambda meters, processor: None)


def test_engines_keep_the_order_of_the_file(space_of):
    found = find_target(space_of(engines="openvino, onnxruntime"))
    assert list(found.engines) == ["openvino", "onnxruntime"]
    assert found.engines["openvino"] is load_engine("openvino")
    assert found.provenance == {"openvino": "measured", "onnxruntime": "measured"}
    assert found.device.name == "here"
    assert cpu_model() in found.machine


def test_what_an_engine_does_badly_here_is_a_notice(space_of, monkeypatch):
    monkeypatch.setattr(target, "cautions", lambda *_: ["sums overflow"])
    assert "sums overflow" in find_target(space_of()).notices


def test_an_unknown_engine_is_named_with_the_nearest(space_of):
    with pytest.raises(UsageError) as caught:
        find_target(space_of(engines="onnxruntme"))
    assert str(caught.value) == (
        "space.yaml:4: device.engines must be engines, but got 'onnxruntme'. "
        "Did you mean onnxruntime?"
    )


def test_every_missing_runtime_is_named_with_its_remedy(space_of, monkeypatch):
    for name in ("onnxruntime", "openvino"):
        monkeypatch.setattr(load_engine(name), "module", "no_such_module", raising=True)
    with pytest.raises(MissingError) as caught:
        find_target(space_of())
    assert caught.value.exit_code == 3
    assert str(caught.value).splitlines() == [
        f"{name} needs the Python package {name}. Add it with: "
        f"pip install 'edge-inference-search[{name}]'"
        for name in ("onnxruntime", "openvino")
    ]


def test_another_machine_is_a_stand_in_that_says_so(space_of, without_meters):
    found = find_target(space_of(header=ELSEWHERE % "host-cpu", engines="onnxruntime"))
    (notice,) = found.notices
    assert notice == (
        f"onnxruntime: this machine's CPU is {cpu_model()}, and nuc-7 has one of Nonexistent CPU. "
        f"The same model is measured on this machine's CPU ({found.machine}) instead of nuc-7: a "
        "stand-in, marked * wherever it is shown."
    )
    provenance = found.provenance["onnxruntime"]
    assert provenance.startswith("measured: on ")
    assert provenance.endswith(" instead of nuc-7")


def test_without_the_device_it_fails_where_asked_to(space_of):
    with pytest.raises(MissingError, match=r"nuc-7 isn't here: .* Attach it, or set device.if_abs"):
        find_target(space_of(header=ELSEWHERE % "fail"))


def test_an_estimate_takes_the_place_of_the_latency_and_says_so(space_of, sensors):
    sensors(zenpower=20)
    found = find_target(space_of(engines="ethosu", header=device(if_absent="estimate")))
    assert found.untimed == {"ethosu": "vela"}
    assert found.provenance["ethosu"].startswith("measured: on this machine's CPU (")
    assert found.power == PowerSource(None, None)  # nothing runs that a meter could measure
    (notice,) = found.notices
    assert "Its latency is estimated by vela, marked ~ wherever it is shown" in notice
    assert "Accuracy is that of the same model on this machine's CPU" in notice


def test_a_timed_engine_is_metered_beside_one_that_is_not(space_of, sensors):
    sensors(zenpower=20)
    header = device(if_absent="estimate", meter="hwmon")
    found = find_target(space_of(engines="ethosu, onnxruntime", header=header))
    assert list(found.untimed) == ["ethosu"]
    assert found.provenance["onnxruntime"] == "measured"
    assert found.power.meter == "hwmon:zenpower"


def test_the_edge_tpu_has_a_stand_in_and_an_estimate(space_of, without_meters, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    estimated = find_target(space_of(engines="edgetpu", header=device(if_absent="estimate")))
    assert "estimate of edgetpu_compiler's own" in estimated.untimed["edgetpu"]
    stands_in = find_target(space_of(engines="edgetpu", header=device(if_absent="host-cpu")))
    assert stands_in.untimed == {}
    with pytest.raises(MissingError, match=r"host-cpu to measure .* or estimate to take the lat"):
        find_target(space_of(engines="edgetpu"))


def test_a_cpu_s_latency_is_none_of_an_ethos_u(space_of):
    with pytest.raises(UsageError) as caught:
        find_target(space_of(engines="ethosu", header=device(if_absent="host-cpu")))
    assert str(caught.value) == (
        "space.yaml:4: device.if_absent must not be a CPU's latency, which says nothing of "
        "ethosu's, but got 'host-cpu'. Use estimate."
    )
    with pytest.raises(MissingError, match=r"if_absent: estimate to take the latency from vela"):
        find_target(space_of(engines="ethosu"))


def test_an_engine_without_an_estimate_has_none(space_of):
    with pytest.raises(UsageError) as caught:
        find_target(space_of(header=ELSEWHERE % "estimate", engines="onnxruntime"))
    assert str(caught.value) == (
        "space.yaml:4: device.if_absent must be something that onnxruntime has, but got "
        "'estimate'. Use host-cpu."
    )


def test_the_named_cpu_is_no_stand_in(space_of):
    header = (ELSEWHERE % "fail").replace("Nonexistent CPU", f"'{cpu_model()[:5].upper()}'")
    assert find_target(space_of(header=header)).provenance["openvino"] == "measured"


@pytest.fixture
def on_board(space_of, monkeypatch):
    """Return the target of a board that has what this machine has, but for some changes."""

    def find(engines="onnxruntime", keys=None, limits="", engines_there=None, **changes):
        survey = survey_here("command")._replace(named=None, meters=[])
        changes["engines"] = {**survey.engines, **(engines_there or {})}
        monkeypatch.setattr(SshDevice, "_survey", lambda *_: survey._replace(**changes))
        header = device(connect="ssh://pi@board", **(keys or {}))
        return find_target(space_of(limits, engines=engines, header=header))

    return find


def test_a_board_counts_with_what_it_has_itself(on_board):
    environment = {"cpu_model": "Raspberry Pi 5", "cpu_count": 4}
    found = on_board(environment=environment, memory_bytes=8 * 2**30, fingerprint="abc")
    assert isinstance(found.device, Boards)
    assert (found.machine, found.device.cpu_count) == ("Raspberry Pi 5", 4)
    assert found.device.fingerprint() == "abc"
    assert found.device.limits.memory_bytes == 6 * 2**30
    written = on_board(limits="limits: {memory: 1GiB}\n", memory_bytes=8 * 2**30)
    assert written.device.limits.memory_bytes == 2**30


def test_what_a_board_lacks_is_added_there(on_board):
    lacks = EngineFound(None, Missing("the Python package onnxruntime", "pip"), None, None)
    with pytest.raises(MissingError) as caught:
        on_board(keys={"python": "venv/bin/python"}, engines_there={"onnxruntime": lacks})
    assert str(caught.value) == (
        "onnxruntime on board needs the Python package onnxruntime. Add it there with: "
        "venv/bin/python -m pip install onnxruntime"
    )


def test_an_edge_tpu_on_a_board_needs_the_compiler_here(on_board, monkeypatch):
    edgetpu = load_engine("edgetpu")
    there = {"edgetpu": EngineFound("2.3.0", None, "none on the board", None)}
    monkeypatch.setattr(type(edgetpu), "compiler_reason", lambda _: None)
    assert on_board("edgetpu", engines_there=there).provenance == {"edgetpu": "measured"}
    monkeypatch.setattr(type(edgetpu), "compiler_reason", lambda _: "no compiler here")
    with pytest.raises(MissingError, match="no compiler here"):
        on_board("edgetpu", engines_there=there)


def test_an_ethos_u_on_a_board_needs_vela_here_and_a_runtime_there(on_board, monkeypatch):
    keys = {"if_absent": "estimate"}
    assert on_board("ethosu", keys).untimed == {"ethosu": "vela"}
    lacks = EngineFound(None, Missing("the Python package ai-edge-litert", "pip"), None, None)
    with pytest.raises(MissingError) as caught:
        on_board("ethosu", keys, engines_there={"ethosu": lacks})
    assert str(caught.value) == (
        "ethosu on board needs the Python package ai-edge-litert. Add it there with: "
        "python3 -m pip install ai-edge-litert"
    )
    monkeypatch.setattr(ethosu, "VELA", "no_such_vela")
    with pytest.raises(MissingError) as caught:
        on_board("ethosu", keys)
    assert str(caught.value) == (
        "ethosu on this machine needs the Python package ethos-u-vela. Add it with: "
        "pip install 'edge-inference-search[ethosu]'"
    )


def test_a_board_out_of_reach_says_why(space_of, monkeypatch):
    def refuse(*_):
        raise DeviceLost("raspberrypi: the link is cut.")

    monkeypatch.setattr(SshDevice, "_survey", refuse)
    with pytest.raises(MissingError, match=r"^raspberrypi: the link is cut"):
        find_target(space_of(header=device(connect="ssh://pi@raspberrypi")))


def test_an_unknown_meter_is_named(space_of):
    with pytest.raises(UsageError, match=r"space.yaml:4: device.meter must be a meter, but got 'r"):
        find_target(space_of(header=device(meter="rpl")))


def test_a_meter_that_cannot_be_read_says_why(space_of, monkeypatch):
    monkeypatch.setattr(RAPL, "unavailable_reason", lambda: "no powercap here")
    with pytest.raises(MissingError, match=r"device.meter rapl: no powercap here. Leave it out"):
        find_target(space_of(header=device(meter="rapl")))


def test_a_meter_that_can_be_read_is_taken(space_of, monkeypatch):
    monkeypatch.setattr(RAPL, "unavailable_reason", lambda: None)
    for header in (device(meter="rapl"), device(rated_power_w=15)):
        found = find_target(space_of(header=header))
        assert found.power.meter == "rapl"
        assert found.notices == ()


@pytest.fixture
def sensors(tmp_path, monkeypatch):
    """Return a function that puts chip -> watts under a fake hwmon folder."""

    def add(**watts):
        for chip, power_w in watts.items():
            folder = tmp_path / "hwmon" / f"hwmon_{chip}"
            folder.mkdir(parents=True)
            (folder / "name").write_text(chip)
            (folder / "power1_input").write_text(str(power_w * 1_000_000))
        monkeypatch.setattr(HWMON, "_root", str(tmp_path / "hwmon"))

    return add


def test_a_meter_of_several_sensors_gives_the_one_for_the_processor(space_of, sensors):
    sensors(amdgpu=30, zenpower=20, ina226=5)
    assert find_target(space_of(header=device(meter="hwmon"))).power.meter == "hwmon:zenpower"


def test_a_stand_in_is_metered_where_it_runs(space_of, sensors):
    sensors(amdgpu=30, zenpower=20)
    header = device(meter="hwmon", if_absent="host-cpu")
    found = find_target(space_of(engines="edgetpu", header=header))
    assert found.power.meter == "hwmon:zenpower"
    assert load_engine("edgetpu").processor == "edgetpu"


@pytest.mark.parametrize(
    ("meter", "provider", "on"),
    [("nvml", "cpu", "cpu"), ("nvml", "[cpu, cuda]", "cpu, gpu"), ("rapl", "cuda", "gpu")],
)
def test_a_named_meter_of_something_else_is_refused(space_of, monkeypatch, meter, provider, on):
    for each in (NVML, RAPL):
        monkeypatch.setattr(each, "unavailable_reason", lambda: None)
        monkeypatch.setattr(each, "domains", lambda: ["it"])
    flags = f"search: {{engine_flags: {{onnxruntime: {{provider: {provider}}}}}}}\n"
    with pytest.raises(UsageError) as caught:
        find_target(space_of(flags, engines="onnxruntime", header=device(meter=meter)))
    measures = "gpu" if meter == "nvml" else "cpu"
    assert str(caught.value) == (
        f"space.yaml:4: device.meter must measure what candidates run on ({on}), but got "
        f"'{meter}'. It measures {measures}. Leave it out to take the best found."
    )


def test_a_named_chip_of_something_else_is_refused(space_of, sensors):
    sensors(nouveau=30, power_meter=50)
    with pytest.raises(
        UsageError, match=r"must measure what candidates run on \(cpu\), but got 'h"
    ):
        find_target(space_of(header=device(meter="hwmon:nouveau")))
    found = find_target(space_of(header=device(meter="hwmon:power_meter")))
    assert found.power.meter == "hwmon:power_meter"


def test_the_sensor_of_a_card_or_an_apu_is_only_taken_if_named(space_of, sensors):
    sensors(amdgpu=30)
    flags = "search: {engine_flags: {onnxruntime: {provider: cuda}}}\n"
    for engine_flags in ("", flags):
        found = find_target(space_of(engine_flags, engines="onnxruntime", header=device()))
        assert found.power.meter is None
    named = find_target(space_of(header=device(meter="hwmon:amdgpu")))
    assert named.power.meter == "hwmon:amdgpu"


def test_a_sensor_that_only_the_person_knows_is_taken_if_named(space_of, sensors):
    sensors(ina226=5)
    name = "hwmon:ina226@hwmon_ina226/power1"
    assert find_target(space_of(header=device(meter=name))).power.meter == name
    with pytest.raises(
        MissingError, match=rf"hwmon: it must be told which sensor .*: {name}\. Lea"
    ):
        find_target(space_of(header=device(meter="hwmon")))


def test_a_program_is_tried_out_first(space_of, tmp_path):
    script = tmp_path / "meter.py"
    script.write_text("import time\nprint(2.5, flush=True)\ntime.sleep(60)\n")
    header = device(meter=f"{{{{command: [{sys.executable}, {script}]}}}}")
    power = find_target(space_of(header=header)).power
    assert (power.meter, power.program) == ("command", (sys.executable, str(script)))
    script.write_text("print('2.5 W')\n")
    with pytest.raises(
        MissingError, match=r"device.meter command: python\S* must print watts, .*W'"
    ):
        find_target(space_of(header=header))


def test_a_program_that_is_not_there_says_so(space_of):
    header = device(meter="{{command: [no-such-wattmeter]}}")
    with pytest.raises(
        MissingError, match="must be on PATH or executable, but 'no-such-wattmeter'"
    ):
        find_target(space_of(header=header))


def test_a_command_without_its_program_says_how_to_name_it(space_of):
    with pytest.raises(MissingError, match=r"device.meter: \{command: \[program, argument\]\}\. L"):
        find_target(space_of(header=device(meter="command")))


def test_without_a_meter_power_is_an_estimate_that_says_so(space_of, without_meters):
    found = find_target(space_of(header=device(rated_power_w=15)))
    assert (found.power.meter, found.power.rated_power_w) == (None, 15.0)
    (notice,) = found.notices
    assert "the share of CPU time x the rated power of 15 W, marked ~" in notice


def test_two_processors_without_a_common_meter_say_so(space_of, asked):
    flags = "search: {engine_flags: {onnxruntime: {provider: [cpu, cuda]}}}\n"
    (notice,) = find_target(
        space_of(flags, engines="onnxruntime", header=device(rated_power_w=15))
    ).notices
    assert notice.startswith("No power meter here measures the CPU and the GPU together: power")
    assert asked == ["cpu", "gpu"]


def test_without_a_rated_power_there_is_none(space_of, without_meters):
    found = find_target(space_of())
    assert (found.power.meter, found.power.rated_power_w, found.notices) == (None, None, ())


def test_a_child_may_take_what_the_file_says_or_a_share_of_the_memory(space_of):
    written = child_limits(space_of("limits: {stage_timeout: 2m, memory: 1GiB}\n"))
    assert written == Limits(120.0, 2**30)
    share = child_limits(space_of())
    assert share.memory_bytes == int(psutil.virtual_memory().total * 0.75)


GPU = "NVIDIA GeForce RTX 4060"


@pytest.fixture
def gpu_engine(monkeypatch):
    """Let ONNX Runtime be an engine that runs on a GPU; return what it was told to meet."""
    engine, met = load_engine("onnxruntime"), []
    monkeypatch.setattr(engine, "processor", "gpu")
    monkeypatch.setattr(engine, "processor_flag", "")
    monkeypatch.setattr(engine, "accelerator", lambda: {"name": GPU})
    monkeypatch.setattr(engine, "meet", met.append)
    return met


@pytest.fixture
def asked(monkeypatch):
    """Return the processors that a meter was asked for."""
    processors = []
    monkeypatch.setattr(
        power_source, "best_meter", lambda _meters, *names: processors.extend(names)
    )
    return processors


def test_the_machine_has_its_gpus_name_where_an_engine_runs_there(space_of, gpu_engine):
    found = find_target(space_of(engines="openvino, onnxruntime"))
    assert found.machine == f"{cpu_model()} with {GPU}"
    assert gpu_engine == [{"name": GPU}]


@pytest.mark.parametrize(
    ("provider", "is_used"), [("cpu", False), ("qnn", False), ("cuda", True), ("[cpu, cuda]", True)]
)
def test_a_gpu_counts_where_a_provider_runs_on_it(space_of, monkeypatch, provider, is_used):
    engine = load_engine("onnxruntime")
    monkeypatch.setattr(engine, "met", None)
    gpu = Gpu(GPU, (8, 9), 8 * 2**30, False, "580.65 CUDA 13.0")
    monkeypatch.setattr(onnxruntime_engine, "find_gpu", lambda: gpu)
    flags = f"search: {{engine_flags: {{onnxruntime: {{provider: {provider}}}}}}}\n"
    found = find_target(space_of(flags, engines="onnxruntime"))
    assert found.machine == (f"{cpu_model()} with {GPU}" if is_used else cpu_model())
    assert engine.toolchain({"provider": "cuda"}) == (str(gpu) if is_used else "")


def test_a_stand_in_for_a_gpu_is_named_after_it(space_of, monkeypatch, asked):
    gpu = Gpu(GPU, (8, 9), 8 * 2**30, False, "580.65 CUDA 13.0")
    monkeypatch.setattr(load_engine("onnxruntime"), "met", None)
    monkeypatch.setattr(onnxruntime_engine, "find_gpu", lambda: gpu)
    flags = "search: {engine_flags: {onnxruntime: {provider: cuda}}}\n"
    header = ELSEWHERE % "host-cpu"
    found = find_target(space_of(flags, engines="onnxruntime", header=header))
    assert f"is measured on this machine's GPU ({GPU}) instead of nuc-7" in found.notices[0]


def test_a_stand_in_on_both_is_named_after_both(space_of, monkeypatch, asked):
    gpu = Gpu(GPU, (8, 9), 8 * 2**30, False, "580.65 CUDA 13.0")
    monkeypatch.setattr(load_engine("onnxruntime"), "met", None)
    monkeypatch.setattr(onnxruntime_engine, "find_gpu", lambda: gpu)
    flags = "search: {engine_flags: {onnxruntime: {provider: [cpu, cuda]}}}\n"
    found = find_target(space_of(flags, engines="onnxruntime", header=ELSEWHERE % "host-cpu"))
    both = f"this machine's CPU ({cpu_model()}) or GPU ({GPU})"
    assert found.provenance == {"onnxruntime": f"measured: on {both} instead of nuc-7"}


def test_another_gpu_is_a_stand_in_that_says_so(space_of, gpu_engine, asked):
    found = find_target(space_of(header=ELSEWHERE % "host-cpu", engines="onnxruntime"))
    assert f"The same model is measured on this machine's GPU ({GPU})" in found.notices[0]
    provenance = f"measured: on this machine's GPU ({GPU}) instead of nuc-7"
    assert found.provenance == {"onnxruntime": provenance}
    assert asked == ["gpu"]


def test_another_gpu_may_be_refused(space_of, gpu_engine):
    with pytest.raises(MissingError, match=r"host-cpu to measure on this machine's GPU \(NVIDIA"):
        find_target(space_of(header=ELSEWHERE % "fail", engines="onnxruntime"))


def test_one_meter_measures_what_all_engines_run_on(space_of, asked):
    flags = "search: {engine_flags: {onnxruntime: {provider: cuda}}}\n"
    found = find_target(space_of(flags, engines="openvino, onnxruntime"))
    assert found.processors == {"openvino": ("cpu",), "onnxruntime": ("gpu",)}
    assert asked == ["cpu", "gpu"]


@pytest.mark.parametrize(
    ("provider", "measured"),
    [("cpu", ["cpu"]), ("cuda", ["gpu"]), ("[cpu, qnn, xnnpack]", ["cpu", "npu"])],
)
def test_a_meter_measures_whatever_the_listed_providers_run_on(space_of, asked, provider, measured):
    flags = f"search: {{engine_flags: {{onnxruntime: {{provider: {provider}}}}}}}\n"
    find_target(space_of(flags, engines="onnxruntime"))
    assert asked == measured
