"""Runs as a study would have left them, built by hand: numbers are chosen, so results are known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evaluators.measurement import Quantity, unavailable
from evaluators.peak import Peak
from reports.html import write_report
from search.drift import CanaryReading
from search.records import Failure, NumberedRecord, Run, TrialRecord
from search.run_facts import RunFacts
from spaces.objectives import ACCURACY, OBJECTIVES

STAND_IN = "measured: on this machine's CPU (Xeon) instead of coral-usb"
ESTIMATED = "estimated: share of CPU time x rated power of 2 W"
STATES = {None: "complete", "rejected": "pruned", "gated": "pruned", "interrupted": "failed"}


def quantities(latency_ms, memory_mib, accuracy, provenance="measured", power_w=None):
    latency_s = latency_ms / 1e3
    power = unavailable("W", "no meter here")
    if power_w is not None:
        power = Quantity(power_w, "W", "CPU time", ESTIMATED)
    return {
        "latency_p90_s": Quantity(
            latency_s, "s", "p90", provenance, latency_s * 0.95, latency_s * 1.1, 100
        ),
        "peak_memory_bytes": Quantity(memory_mib * 2**20, "B", "VmHWM", provenance),
        "power_w": power,
        "accuracy": Quantity(accuracy, "1", "mean", provenance, accuracy - 0.01, accuracy + 0.01),
    }


def record(latency_ms=1.0, memory_mib=4.0, accuracy=0.95, *, sparsity=0.0, epochs=0, **more):
    """Return a measured record; ``params`` adds some, other names are the record's fields."""
    found = {n: more.pop(n) for n in ("provenance", "power_w") if n in more}
    params = {
        "engine": "openvino",
        "precision": "int8",
        "sparsity": sparsity,
        "distillation.epochs": epochs,
        "openvino.threads": 1,
        **more.pop("params", {}),
    }
    fields = {"artifact": "/store/model.xml", "artifact_sha256": "9f2b" * 16, **more}
    return TrialRecord(params, quantities(latency_ms, memory_mib, accuracy, **found), **fields)


def failed(kind="rejected", reason="op GELU isn't an Edge TPU op", stage="compile"):
    params = {"engine": "openvino", "precision": "int4", "sparsity": 0.5}
    return TrialRecord(
        params, failure=Failure(kind, reason, stage), stage_seconds={"compress": 2.0, "compile": 1}
    )


def facts(**changes):
    names = ("latency_p90_ms", "peak_memory_mib", "accuracy")
    made = RunFacts(
        name="nuc",
        space_file="spaces/nuc.yaml",
        identity="abc",
        seed=0,
        device="intel-nuc",
        machine="Xeon",
        objectives=tuple(OBJECTIVES[name] for name in names),
        metric=ACCURACY,
        reference_metric=0.96,
        notices=(),
        bounds={"latency_p90_ms": (None, 5.0), "accuracy": (0.91, None)},
    )
    return replace(made, **changes)


def run(*records, baseline=None, **changes):
    trials = [
        NumberedRecord(n, STATES[r.failure.kind if r.failure else None], r)
        for n, r in enumerate(records)
    ]
    return Run(facts(**changes), baseline, trials)


class Build:
    """The builders above, since test files can't import a conftest."""

    record = staticmethod(record)
    failed = staticmethod(failed)
    run = staticmethod(run)
    STAND_IN = STAND_IN
    ESTIMATED = ESTIMATED


@pytest.fixture(scope="session")
def build():
    return Build


@pytest.fixture
def small_run():
    """Trials 0 and 1 are the front, 2 is dominated, 3 infeasible, 4 rejected."""
    return run(
        record(0.5, 2.0, 0.94, sparsity=0.5, epochs=2, stage_seconds={"compress": 4.0}),
        record(0.25, 1.0, 0.93, sparsity=0.75, found_stages=["export"]),
        record(0.75, 3.0, 0.92),
        record(0.1, 0.5, 0.90, violations={"latency_p90_ms": -0.98, "accuracy": 0.011}),
        failed(),
        baseline=record(1.0, 4.0, 0.95, params={"precision": "bf16"}),
    )


@pytest.fixture
def two_runs():
    """The second device is twice as fast, and took the sparser model only."""
    process = {"processes": [{"runtime_version": "2026.4.1"}]}
    slow = run(
        record(1.0, sparsity=0.5, facts=process),
        record(0.8, 2.0, 0.94, sparsity=0.75),
        baseline=record(2.0, facts=process),
    )
    fast = run(
        record(0.4, 2.0, 0.93, sparsity=0.75),
        failed(),
        baseline=record(1.0),
        device="board",
    )
    return ("runs/slow", slow), ("runs/fast", fast)


@pytest.fixture
def stand_in_run():
    """Everything on a stand-in, with an estimated power among the objectives."""
    names = ("latency_p90_ms", "power_w", "accuracy")
    stand_in = {"provenance": STAND_IN}
    return run(
        record(0.5, 2.0, 0.94, power_w=1.0, **stand_in),
        baseline=record(1.0, 4.0, 0.95, power_w=2.0, **stand_in),
        objectives=tuple(OBJECTIVES[name] for name in names),
        notices=("coral-usb isn't here: measured on a stand-in, marked *.",),
        device="coral-usb",
    )


EVIL = "[bold red]</script><img src=x onerror=alert(1)>\x1b[31m"


@pytest.fixture
def evil_run():
    """Markup, tags and terminal controls in everything that a person or a tool can name."""
    evil_failure = failed(reason=EVIL)
    evil_record = record(0.5, params={"engine": EVIL, "precision": EVIL, EVIL: EVIL})
    return run(
        replace(evil_record, artifact=EVIL, artifact_sha256=EVIL),
        evil_failure,
        baseline=record(1.0),
        name=EVIL,
        device=EVIL,
        machine=EVIL,
        space_file=EVIL,
        notices=(EVIL,),
        bounds={EVIL: (None, 5.0)},
    )


@pytest.fixture
def opened(browser, tmp_path):
    """Return a function that writes the report of a run and opens it in a browser."""

    def show(run, width=1280, height=900, scheme="light"):
        path = tmp_path / "report.html"
        write_report(run, path)
        browser.complaints.clear()
        browser.requests.clear()
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        browser.ask("Emulation.setDeviceMetricsOverride", **size)
        prefers = {"name": "prefers-color-scheme", "value": scheme}
        browser.ask("Emulation.setEmulatedMedia", features=[prefers])
        browser.open(path.as_uri())
        return browser

    return show


@pytest.fixture
def empty_run():
    return run()


@pytest.fixture
def drifted_run(small_run):
    """All that a page may show beside numbers: drift, disturbances, ties, peaks, what was gated."""
    busy = replace(small_run.trials[0].record, flags=["other work took 23 % of the CPUs"])
    trials = [replace(small_run.trials[0], record=busy), *small_run.trials[1:]]
    trials.append(NumberedRecord(len(trials), "pruned", failed("gated", "too slow", "benchmark")))
    canary = [CanaryReading(1, 1.01, 0.0), CanaryReading(3, 1.2, 60.0)]
    peak = Peak("openvino", "int8", Quantity(4.8e10, "1/s", "a net, 2 threads", "measured"))
    return replace(small_run, trials=trials, canary=canary, peaks=[peak])
