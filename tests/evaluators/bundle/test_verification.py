"""Verdicts over a scripted measuring process."""

import numpy as np
import pytest

from evaluators.benchmark.environment import cpu_model
from evaluators.bundle.folder import read_bundle, read_check
from evaluators.bundle.model import EngineMissing
from evaluators.bundle.verification import MOVED, PROCESSES, VERIFIED, verify
from evaluators.failures import CandidateRejected, DeviceLost
from evaluators.framing import Message
from evaluators.power_modes.found import say_mode_now

MIB = 2**20
MACHINE = cpu_model()


class ScriptedWorker:
    """Answers benchmark jobs with a latency and a peak each, and the outputs that it is given."""

    def __init__(
        self, outputs, latencies_ms=(2.0,) * 3, peaks_mib=(8.0,) * 3, mode_now=None, **body
    ):
        self.outputs, self.body, self.jobs = outputs, body, []
        self.mode_now = mode_now or say_mode_now
        self.answers = list(zip(latencies_ms, peaks_mib, strict=True))

    def __call__(self, job):
        self.jobs.append(job)
        if job["kind"] == "mode_now":
            return Message(*self.mode_now(job))
        self.inputs = [np.load(path) for path in job["inputs"]["check"]]
        latency_ms, peak_mib = self.answers.pop(0)
        body = {
            "peak_memory_bytes": peak_mib * MIB,
            "runtime_version": "1.31.1",
            "environment": {"cpu_model": MACHINE},
            "disturbance": {"reasons": [], "severity": 0.0},
            **self.body,
        }
        answers = [self.outputs] if job["answer_splits"] else []
        return Message(body, [np.full(64, latency_ms / 1e3), np.full(8, 1.0), *answers])


@pytest.fixture
def check(bundle):
    """Return a function that verifies the bundle with a scripted worker."""
    _, (outputs,) = read_check(bundle)

    def run(shift=0.0, *, of=bundle, **script):
        worker = ScriptedWorker(outputs + np.float32(shift), **script)
        return verify(of, worker), worker

    return run


def test_what_is_as_it_was_measured_is_verified(check, folder):
    found, worker = check()
    assert found.is_verified
    assert found.exit_code == VERIFIED
    assert found.remarks == []
    assert found.lines() == [
        "tiny, trial 3: onnxruntime fp32",
        "files: unchanged",
        "outputs: equal to the bit on 4 samples",
        "                 measured    interval  now",
        "latency_p50_ms          2  1.8 to 2.2    2  as measured",
        "peak_memory_mib         8  7.2 to 8.8    8  as measured",
        "verified: it answers, and runs, as it was measured",
    ]
    assert len(worker.jobs) == PROCESSES == 3
    assert worker.jobs[0]["compiled"] == str(folder / "model")
    assert [job["answer_splits"] for job in worker.jobs] == [["check"], [], []]
    assert worker.inputs[0].shape == (4, 4)


@pytest.mark.parametrize(
    ("script", "name", "text"),
    [
        ({"latencies_ms": (4.0, 4.1, 3.9)}, "latency_p50_ms", "MOVED: 2.00x of what was measured"),
        ({"latencies_ms": (1.0, 1.1, 0.9)}, "latency_p50_ms", "MOVED: 0.50x of what was measured"),
        ({"peaks_mib": (8.8, 10.0, 12.0)}, "peak_memory_mib", "MOVED: 1.25x of what was measured"),
    ],
)
def test_what_left_its_interval_has_moved(check, script, name, text):
    found, _ = check(**script)
    assert not found.is_verified
    assert found.exit_code == MOVED
    (row,) = [line for line in found.lines() if line.startswith(name)]
    assert row.endswith(text)
    assert f"NOT VERIFIED: {name} moved beyond the interval" in found.lines()[-1]


def test_one_odd_process_of_three_moves_nothing(check):
    assert check(latencies_ms=(2.0, 9.0, 2.1), peaks_mib=(8.0, 8.1, 1.0))[0].is_verified


def test_wrong_outputs_are_not_verified(check):
    found, _ = check(shift=0.5)
    assert found.exit_code == MOVED
    assert "outputs: WRONG: output_0 differs by up to 0.5 (tolerance 0.01)" in found.lines()
    assert "NOT VERIFIED: its outputs are wrong" in found.lines()[-1]


def test_outputs_within_the_tolerance_are_verified(check):
    found, _ = check(shift=0.005)
    assert found.is_verified
    assert found.outputs.text.startswith("within the tolerance on 4 samples")


def test_what_disturbed_then_or_now_is_said(check, bundle):
    disturbed = {"reasons": ["other work took 40 % of the CPUs"], "severity": 8.0}
    nine = {"latencies_ms": (2.0,) * 9, "peaks_mib": (8.0,) * 9}
    found, _ = check(disturbance=disturbed, **nine)
    (remark,) = found.remarks
    assert remark == (
        "Disturbed while measuring: other work took 40 % of the CPUs. "
        "Verify again when it is quiet."
    )
    found, _ = check(of=bundle._replace(disturbances=["drift by 7 %"]))
    assert found.remarks == ["Disturbed when it was measured: drift by 7 %."]


def test_another_machine_and_version_are_said(check, bundle):
    found, _ = check(
        of=bundle._replace(version="1.30.0"), environment={"cpu_model": "Raspberry Pi 5"}
    )
    machines, versions = found.remarks
    assert machines == (
        f"It was measured on {MACHINE}, and now on Raspberry Pi 5: numbers of two machines needn't "
        "agree."
    )
    assert versions == "It was measured with onnxruntime 1.30.0, and now with 1.31.1."
    assert found.is_verified
    assert found.lines()[1].startswith("! It was measured on")


@pytest.mark.parametrize("now", ["governor:powersave", None])
def test_another_power_mode_is_said_and_none_is_set(check, bundle, now):
    of = bundle._replace(power_mode="governor:performance")
    found, worker = check(of=of, mode_now=lambda job: ({"now": now}, []))
    (remark,) = found.remarks
    assert remark == (
        "It was measured in the power mode governor:performance, and here "
        f"{now or 'another'} is in force: set the former, as verifying sets none."
    )
    assert not any(job.get("power_mode") for job in worker.jobs)


def test_the_same_power_mode_needs_no_word(check, bundle):
    of = bundle._replace(power_mode="governor:performance")
    found, _ = check(of=of, mode_now=lambda job: ({"now": job["mode"]}, []))
    assert found.remarks == []


def test_a_power_mode_that_can_not_be_asked_for_is_said(check, bundle):
    found, _ = check(of=bundle._replace(power_mode="nvpmodel:15W"))
    (remark,) = found.remarks
    assert "here one that can't be asked for (nvpmodel isn't here) is in force" in remark


def test_memory_that_no_kernel_tells_is_not_judged(check):
    found, _ = check(peaks_mib=(8.0,) * 6, latencies_ms=(2.0,) * 6, peak_memory_bytes=None)
    assert found.is_verified
    assert [n.verdict for n in found.numbers] == ["as measured", "not told by this device"]


def refuses(job):
    """Refuse the model; the device's runtime is asked for afterwards."""
    if job == {"kind": "runtime", "engine": "onnxruntime"}:
        return Message({"runtime_version": "1.31.1"}, [])
    raise CandidateRejected("the blob is another version's.")


def test_an_engine_of_another_version_that_refuses_is_missing(bundle):
    with pytest.raises(
        EngineMissing,
        match=r"onnxruntime 0\.9 ran it, and 1\.31\.1 can't: the blob.* install onnxruntime==0\.9$",
    ):
        verify(bundle._replace(version="0.9"), refuses)
    with pytest.raises(CandidateRejected, match="another version's"):
        verify(bundle, refuses)


def test_a_lost_device_stays_one(bundle):
    def loses(_job):
        raise DeviceLost("libedgetpu.so.1 must be installed")

    with pytest.raises(DeviceLost, match="libedgetpu"):
        verify(bundle, loses)


def test_percentiles_are_those_of_their_names(write):
    numbers = {
        f"latency_p{q}_ms": {
            "value": q / 10,
            "unit": "ms",
            "interval": [q / 10 - 0.01, q / 10 + 0.01],
            "si_name": f"latency_p{q}_s",
            "per_si": 1e3,
        }
        for q in (50, 90, 99)
    }
    bundle = read_bundle(write(numbers=numbers, judged=list(numbers)))
    _, (outputs,) = read_check(bundle)

    def worker(job):
        body = {
            "peak_memory_bytes": 1,
            "runtime_version": "1.31.1",
            "environment": {"cpu_model": MACHINE},
            "disturbance": {"reasons": [], "severity": 0.0},
        }
        return Message(body, [np.arange(1, 101) / 1e4, np.zeros(1), outputs])

    assert verify(bundle, worker).is_verified
