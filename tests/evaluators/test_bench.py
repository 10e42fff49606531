"""The benchmark stage over a scripted device: repeats, flags, what is kept of an answer."""

from __future__ import annotations

import numpy as np
import pytest

from evaluators.bench import TEST, VALIDATION, Bench
from evaluators.benchmark.attempts import ATTEMPTS
from evaluators.built import Built
from evaluators.candidate import Candidate
from evaluators.child_process import Limits
from evaluators.devices.local import LocalDevice
from evaluators.framing import Message
from evaluators.measurement import PowerSource, Quantity
from evaluators.stage_clock import StageClock
from evaluators.store import ArtifactStore
from evaluators.workload_facts import WorkloadFacts

TARGETS = {VALIDATION: np.arange(100) % 4, TEST: np.arange(80) % 4}


def answer(reasons=(), share=0.0, value_s=0.001, **changes):
    body = {
        "throughput_per_s": 500.0,
        "peak_memory_bytes": 1000,
        "baseline_bytes": 5000,
        "idle_power_w": None,
        "energy": {"seconds": 2.0, "cpu_time_s": 1.0, "reading": None},
        "environment": {"cpu_count": 2},
        "disturbance": {"reasons": list(reasons), "severity": share},
        "runtime_version": "1.0",
        "load_s": 0.1,
        "loop_overhead_s": 1e-7,
        "is_steady": True,
        "device_time_s": None,
        "device_memory": None,
        "cpus": [1],
        "power_mode": None,
    }
    return {**body, "value_s": value_s, **changes}


class ScriptedDevice(LocalDevice):
    """Answers benchmark jobs from a list; of four classes the first is always wrong."""

    def __init__(self, *answers):
        super().__init__("here", Limits(60.0, 2**30))
        self.answers, self.jobs = list(answers), []

    def run(self, job):
        self.jobs.append(job)
        if job["kind"] == "memory":
            return Message({"peak_memory_bytes": 777}, [])
        if job["kind"] == "answer":
            (split,) = job["inputs"]
            return Message({"runtime_version": "1.0"}, [np.maximum(TARGETS[split], 1)])
        body = dict(self.answers.pop(0))
        samples = [np.full(700, body.pop("value_s")), np.full(20, 0.002)]
        outputs = [np.maximum(TARGETS[split], 1) for split in job["answer_splits"]]
        return Message({**body, "outputs_per_split": 1}, [*samples, *outputs])


class ScriptedBuilder:
    """What the build worker would say of a workload whose model is always right."""

    def run(self, kind, arrays=(), *, split, out_dir=None):
        if kind == "data":
            return Message({"files": ["0.npy"], "samples": len(TARGETS[split])}, [])
        answers = TARGETS[split] if kind == "reference" else arrays[0]
        return Message({}, [(answers == TARGETS[split]).astype(float)])


@pytest.fixture
def measure(tmp_path):
    """Return a function that measures with scripted answers; it returns all that took part."""

    def run(*answers, splits=(VALIDATION,), provenance="measured", how="measure", **more):
        store = ArtifactStore(tmp_path / "store")
        device = ScriptedDevice(*answers)
        facts = WorkloadFacts("abc", "accuracy", "maximize", {}, True, ())
        entry = store.get_or_build("compile", {"model": "x"}, _compiled)
        bench = Bench(
            facts, ScriptedBuilder(), device, store, PowerSource(None, None), 1,
            {"fake": provenance}, {"min_queries": 64, "min_duration_s": 1.0}, **more,
        )  # fmt: skip
        told = {"fake_ops": Quantity(7.0, "1", "told", "estimated: vela")}
        built = Built(Candidate("fake", "int8"), entry, {}, told)
        clock = StageClock(lambda _stage: None)
        if how == "probe":
            return bench.probe(built, clock), device, store
        if how == "scores":
            return bench.scores(built, clock), device, store
        return bench.measure(built, clock, splits), device, store

    return run


def _compiled(out_dir):
    (out_dir / "model.bin").write_bytes(b"weights")
    return {"artifact": "model.bin", "metrics": {}, "notes": [], "latency_s": 0.004}


def test_what_the_compiler_told_stands_beside_what_was_measured(measure):
    found, _, _ = measure(answer())
    assert found.quantities["fake_ops"].value == 7
    assert found.quantities["latency_p90_s"].provenance == "measured"
    assert found.is_timed


def test_where_nothing_is_timed_only_answers_are_asked_for(measure):
    on_x = "measured: on X instead of Y"
    splits = (VALIDATION, TEST)
    found, device, _ = measure(splits=splits, provenance=on_x, untimed={"fake": "vela"})
    assert [(job["kind"], job["samples"]) for job in device.jobs] == [("answer", None)] * 2
    latency, score = found.quantities["latency_p90_s"], found.quantities["test_accuracy"]
    assert (latency.value, latency.provenance) == (0.004, "estimated: vela")
    assert (score.value, score.n, score.provenance) == (0.75, 80, on_x)
    assert found.quantities["accuracy_drop"].value == 0.25
    assert found.quantities["fake_ops"].value == 7
    assert found.quantities["peak_memory_bytes"].value is None
    assert (found.flags, found.facts) == ([], {"runtime_version": "1.0"})
    assert not found.is_timed


def test_a_probe_of_what_is_not_timed_runs_nothing(measure):
    found, device, _ = measure(how="probe", untimed={"fake": "vela"})
    assert device.jobs == []
    assert found.quantities["latency_p90_s"].value == 0.004
    assert "accuracy" not in found.quantities


def test_an_undisturbed_measurement_is_taken_once_and_not_flagged(measure):
    found, device, _ = measure(answer())
    assert found.flags == []
    assert len(device.jobs) == 1
    assert found.quantities["latency_p90_s"].value == pytest.approx(0.001)
    assert found.quantities["model_size_bytes"].value == len(b"weights")


def test_a_disturbed_measurement_is_repeated_until_one_is_not(measure):
    found, device, _ = measure(answer(["other work took 23 %"], 0.23, 0.002), answer())
    assert found.flags == []
    assert len(device.jobs) == 2
    assert found.quantities["latency_p90_s"].value == pytest.approx(0.001)


def test_where_none_is_undisturbed_the_least_disturbed_is_kept_and_flagged(measure):
    shares = (0.3, 0.1, 0.2)
    found, device, _ = measure(*(answer([f"{s} foreign"], s, s) for s in shares))
    assert len(device.jobs) == ATTEMPTS == 3
    assert found.flags == ["0.1 foreign"]
    assert found.quantities["latency_p90_s"].value == pytest.approx(0.1)


def test_who_asks_for_one_attempt_gets_the_first(measure):
    found, device, _ = measure(answer(["other work took 23 %"], 0.23, 0.002), attempts=1)
    assert len(device.jobs) == 1
    assert found.flags == ["other work took 23 %"]


def test_a_latency_that_never_became_steady_is_flagged(measure):
    found, device, _ = measure(answer(is_steady=False))
    assert found.flags == ["the latency never became steady while it warmed up"]
    assert len(device.jobs) == 1


def test_memory_is_polled_apart_where_the_kernel_has_no_high_water_mark(measure):
    found, device, _ = measure(answer(peak_memory_bytes=None))
    assert [job["kind"] for job in device.jobs] == ["benchmark", "memory"]
    memory = found.quantities["peak_memory_bytes"]
    assert memory.value == 777
    assert memory.method.startswith("private memory (USS)")


def test_each_split_is_scored_and_compared_sample_by_sample(measure):
    found, device, _ = measure(answer(), splits=(VALIDATION, TEST), provenance="measured: on X")
    assert device.jobs[0]["answer_splits"] == [VALIDATION, TEST]
    assert list(device.jobs[0]["inputs"]) == [VALIDATION, TEST]
    for prefix, count in (("", 100), ("test_", 80)):
        score = found.quantities[f"{prefix}accuracy"]
        drop = found.quantities[f"{prefix}accuracy_drop"]
        assert (score.value, score.n, score.provenance) == (0.75, count, "measured: on X")
        assert (drop.value, drop.n) == (0.25, count)
        assert drop.low < 0.25 < drop.high


def test_without_splits_it_is_only_timed(measure):
    found, device, _ = measure(answer(), splits=())
    assert device.jobs[0]["answer_splits"] == []
    assert list(device.jobs[0]["inputs"]) == [VALIDATION]
    assert not any("accuracy" in name for name in found.quantities)


def test_raw_samples_are_kept_whole(measure):
    found, _, store = measure(answer())
    key = found.facts["samples"]
    kept = np.load(store.root / "samples" / key[:2] / key / "samples.npz", allow_pickle=False)
    assert kept["timed_s"].tolist() == [0.001] * 700
    assert kept["warmup_s"].tolist() == [0.002] * 20


def test_a_probe_takes_no_longer_than_its_percentiles_need(measure):
    measured, device, _ = measure(answer(), how="probe")
    assert device.jobs[0]["timing"] == {"min_queries": 64, "min_duration_s": 0.0}
    assert device.jobs[0]["answer_splits"] == []
    assert "accuracy" not in measured.quantities
    assert measured.quantities["latency_p90_s"].value == 0.001


def test_answers_asked_for_later_are_scored_as_those_that_come_with_the_timing(measure):
    later, device, _ = measure(how="scores")
    assert [(job["kind"], list(job["inputs"])) for job in device.jobs] == [("answer", [VALIDATION])]
    at_once, _, _ = measure(answer())
    assert later == {name: at_once.quantities[name] for name in ("accuracy", "accuracy_drop")}
