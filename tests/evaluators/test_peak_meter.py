"""Peaks by a scripted device, where what comes out is known, and by real engines."""

from __future__ import annotations

import math
import shutil
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from evaluators.bench import Bench
from evaluators.builder import Builder, WorkloadSource
from evaluators.candidate import Candidate
from evaluators.child_process import Limits
from evaluators.devices.local import LocalDevice
from evaluators.engines import load_engine
from evaluators.failures import CandidateRejected
from evaluators.framing import Message
from evaluators.measurement import PowerSource
from evaluators.peak_meter import PeakMeter
from evaluators.pipeline import Pipeline
from evaluators.quantize import load_quantizer
from evaluators.stage_clock import StageClock
from evaluators.store import ArtifactStore
from evaluators.workload_facts import WorkloadFacts
from tests.evaluators.test_bench import answer

TINY = Path(__file__).parents[1] / "search" / "tiny_workload.py"
LIMITS = Limits(120.0, 8 * 2**30)
MACS = 1_000_000
STAND_IN = "measured: on a CPU instead of coral-usb"
NET = {
    "fingerprint": "net", "metric": "accuracy", "direction": "maximize", "inputs": {},
    "is_trainable": True, "modules": [],
}  # fmt: skip


def untouched(engine_name, precision, cpu_count=2, **flags):
    engine = load_engine(engine_name)
    defaults = {name: flag.default for name, flag in engine.flags(cpu_count).items()}
    form = engine.forms[precision]
    known = {} if form in ("onnx", "tflite") else load_quantizer(form).SETTINGS
    settings = {name: setting.default for name, setting in known.items()}
    return Candidate(engine_name, precision, quantization=settings, flags={**defaults, **flags})


class ScriptedBuilder:
    """Builds files that hold nothing, and remembers which net was asked for."""

    def __init__(self):
        self.asked, self.turn = [], nullcontext()

    def beside(self, reference):
        self.asked.append(reference)
        return self

    def run(self, kind, **body):
        if kind == "describe":
            return Message(NET, [])
        if kind == "data":
            return Message({"files": ["0.npy"], "samples": 8}, [])
        (Path(body["out_dir"]) / "made").write_text(kind)
        return Message({"pruning": {"macs_after": MACS}} if kind == "compress" else {}, [])


class ScriptedDevice(LocalDevice):
    """Eight CPUs that take as long as a script says for each number of threads."""

    def __init__(self, latency_s_by_threads):
        super().__init__("here", LIMITS)
        self.latency_s, self.tried, self.is_busy = latency_s_by_threads, [], False

    @property
    def cpu_count(self):
        return 8

    def quiet(self):
        return nullcontext()  # nothing is timed here

    def run(self, job):
        threads = job["flags"].get("threads")
        if job["kind"] == "compile":
            for name in ("made", "model.tflite"):  # the other is what a stand-in runs
                (Path(job["out_dir"]) / name).write_text(f"{threads} threads")
            facts = {"artifact": "made", "metrics": {}, "notes": [], "latency_s": None}
            return Message(facts, [])
        self.tried.append(threads)
        body = {**answer(["busy"] if self.is_busy else []), "outputs_per_split": 0}
        del body["value_s"]
        return Message(body, [np.full(20, self.latency_s[threads]), np.full(20, 1.0)])


@pytest.fixture
def scripted(tmp_path):
    """Return a function that makes a meter over a scripted device."""

    def make(latency_s=None, provenance="measured", untimed=None):
        device = ScriptedDevice(latency_s or {8: 1.0, 4: 1.0})
        builder, store = ScriptedBuilder(), ArtifactStore(tmp_path / "store")
        engines = ("onnxruntime", "edgetpu", "ethosu")
        names = dict.fromkeys(engines, provenance)
        facts = WorkloadFacts("a person's", "accuracy", "maximize", {}, True, ())
        pipeline = Pipeline(facts, builder, device, store, 4, 7, names)
        power = PowerSource("rapl", None)
        bench = Bench(facts, builder, device, store, power, 4, names, {}, untimed or {})
        return PeakMeter(pipeline, bench)

    return make


def measured(meter, candidate):
    return meter.measure(candidate, StageClock(lambda _stage: None))


@pytest.mark.parametrize(
    ("latency_s", "tried", "best_s"),
    [
        ({8: 1.0, 4: 0.5, 2: 0.75}, [8, 4, 2], 0.5),
        ({8: 0.25, 4: 0.5}, [8, 4], 0.25),
        ({8: 1.0, 4: 0.5, 2: 0.25, 1: 0.125}, [8, 4, 2, 1], 0.125),
    ],
)
def test_fewer_threads_are_tried_for_as_long_as_they_are_faster(scripted, latency_s, tried, best_s):
    meter = scripted(latency_s)
    peak = measured(meter, untouched("onnxruntime", "fp32"))
    assert meter.bench.device.tried == tried
    assert peak.macs_per_s.value == pytest.approx(MACS / best_s)
    best = next(threads for threads, value_s in latency_s.items() if value_s == best_s)
    noun = "thread" if best == 1 else "threads"
    assert f"0.001 GMAC a query, {best} {noun}, runtime 1.0" in peak.macs_per_s.method
    assert (peak.engine, peak.precision) == ("onnxruntime", "fp32")


def test_what_disturbed_it_is_kept(scripted):
    meter = scripted()
    meter.bench.device.is_busy = True
    assert measured(meter, untouched("onnxruntime", "fp32")).flags == ["busy"]
    assert meter.bench.device.tried == [8, 8, 8, 4, 4, 4], "a disturbed one is tried again"


def test_the_net_is_described_once_and_the_run_goes_on_with_its_own_workload(scripted):
    meter = scripted()
    measured(meter, untouched("onnxruntime", "fp32"))
    measured(meter, untouched("onnxruntime", "int8"))
    assert meter.pipeline.builder.asked == ["evaluators.peak_net:Convolutions"]
    assert meter.pipeline.workload.fingerprint == "a person's"
    assert (meter.pipeline.batch_size, meter.bench.batch_size) == (4, 4)


def test_a_gpu_gets_the_large_net(scripted):
    meter = scripted()
    measured(meter, untouched("onnxruntime", "fp32", provider="cuda"))
    assert meter.pipeline.builder.asked == ["evaluators.peak_net:LargeConvolutions"]


def test_a_stand_in_stays_one(scripted):
    meter = scripted({2: 1.0, 1: 1.0}, provenance=STAND_IN)
    peak = measured(meter, untouched("edgetpu", "int8"))
    assert peak.macs_per_s.provenance == STAND_IN
    assert meter.pipeline.builder.asked == ["evaluators.peak_net:Convolutions"]


def test_where_nothing_is_timed_there_is_no_peak_and_nothing_is_built(scripted):
    meter = scripted(untimed={"ethosu": "vela"})
    peak = measured(meter, untouched("ethosu", "int8"))
    assert peak.macs_per_s.value is None
    assert peak.macs_per_s.provenance == (
        "unavailable: nothing is timed on here, whose latency is vela's estimate"
    )
    assert meter.pipeline.builder.asked == meter.bench.device.tried == []


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Return a meter beside a real workload, in a real build worker, on this machine."""
    folder = tmp_path_factory.mktemp("workload")
    shutil.copy(TINY, folder)
    builder = Builder(WorkloadSource("tiny_workload.py:Tiny", folder, folder / "teachers"), LIMITS)
    engines = ("onnxruntime", "openvino", "litert")
    names = dict.fromkeys(engines, "measured")
    store, device = ArtifactStore(folder / "store"), LocalDevice("here", LIMITS)
    facts = WorkloadFacts.from_json(builder.run("describe").body)
    pipeline = Pipeline(facts, builder, device, store, 1, 0, names)
    bench = Bench(facts, builder, device, store, PowerSource(None, None), 1, names, {})
    yield PeakMeter(pipeline, bench)
    builder.close()


@pytest.mark.parametrize(
    ("engine", "precision"),
    [("onnxruntime", "fp32"), ("onnxruntime", "int8"), ("openvino", "int8"), ("litert", "int8")],
)
def test_a_real_engine_has_a_peak(real, engine, precision):
    if load_engine(engine).missing():
        pytest.skip(f"{engine} isn't installed")
    cpu_count = real.bench.device.cpu_count
    clock = StageClock(lambda _stage: None)
    peak = real.measure(untouched(engine, precision, cpu_count), clock)
    found = peak.macs_per_s
    assert math.isfinite(found.value)
    assert 0 < found.low <= found.value <= found.high
    assert (found.unit, found.provenance) == ("1/s", "measured")
    assert found.method.startswith("convolutions of 0.46 GMAC a query, ")
    assert found.n >= 7
    assert {"compress", "export", "compile", "benchmark"} <= set(clock.seconds)
    assert "score" not in clock.seconds


def test_an_engine_that_cannot_have_the_net_says_why(real):
    if load_engine("openvino").missing():
        pytest.skip("openvino isn't installed")
    with pytest.raises(CandidateRejected, match=r"streams must be at most openvino\.threads"):
        measured(real, untouched("openvino", "fp32", streams=999))
