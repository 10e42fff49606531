"""What a study keeps of its engines' peaks: measured at the end of real runs, or why not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from evaluators.failures import CandidateRejected
from evaluators.stage_clock import StageClock
from search import study_attributes
from search.budget import Budget
from search.ceiling import Ceiling
from search.retries import Retries
from search.study_attributes import RECORD, run_of_study
from tests.search.runs import front_json, study_of

PAIRS = [("onnxruntime", "int8"), ("onnxruntime", "fp32"), ("openvino", "fp32")]


class NoNet:
    """A builder that can't load the net, takes 5 s to say so, and counts how often it did."""

    def __init__(self):
        self.count, self.now_s = 0, 0.0

    def beside(self, _reference):
        return self

    def run(self, _kind):
        self.count += 1
        self.now_s += 5.0
        raise CandidateRejected("no torch here")


@pytest.fixture
def state(build, study, whole):
    """Return a study with a front of three pairs, the fastest first, whose peaks aren't known."""
    live = study()
    study_attributes.keep_facts(live, build.facts())
    for number, (engine, precision) in enumerate(PAIRS):
        costs = (1.0 + number, 4.0 - number, 0.95)
        record = build.record(*costs, params={"engine": engine, "precision": precision})
        trial = live.ask()
        trial.set_user_attr(RECORD, record.to_json())
        live.tell(trial, list(costs))
    bench = SimpleNamespace(
        untimed={"openvino": "vela"},
        provenance=dict.fromkeys(("onnxruntime", "openvino"), "measured"),
        device=SimpleNamespace(cpu_count=4, name="here"),
    )
    return SimpleNamespace(
        study=live,
        plan=SimpleNamespace(parameters=whole, baseline=SimpleNamespace(power_mode=None)),
        evaluator=SimpleNamespace(
            pipeline=SimpleNamespace(builder=NoNet()),
            bench=bench,
            retries=Retries(),
            clock=lambda _label: StageClock(lambda _stage: None),
        ),
    )


def measure(state, timeout_s=None, *, stop=False):
    """Measure within a time, and return what is known of each pair then."""
    builder = state.evaluator.pipeline.builder
    builder.now_s = 0.0
    Ceiling(state, Budget(10, timeout_s, lambda: stop, lambda: builder.now_s)).measure()
    peaks = run_of_study(state.study).peaks
    assert all(peak.macs_per_s.value is None for peak in peaks)
    return {(peak.engine, peak.precision): peak.macs_per_s.provenance for peak in peaks}


def test_what_cannot_be_measured_is_kept_with_its_reason_and_tried_again_next_time(state):
    for count in (2, 4):
        known = measure(state)
        assert known[PAIRS[0]] == known[PAIRS[1]] == "unavailable: no torch here"
        assert known[PAIRS[2]].startswith("unavailable: nothing is timed on here")
        assert state.evaluator.pipeline.builder.count == count


@pytest.mark.parametrize(
    ("timeout_s", "count"),
    [(8.0, 0), (8.5, 1), (10.5, 2)],  # the first may take 8 s; it takes 5, and so may the second
)
def test_what_fits_into_the_time_is_measured_the_best_pair_first(state, timeout_s, count):
    known = measure(state, timeout_s)
    assert [pair for pair in PAIRS[:2] if pair in known] == PAIRS[:count]


def test_nothing_is_measured_once_somebody_said_stop(state):
    assert measure(state, stop=True) == {}


def test_a_run_ends_with_the_peaks_of_its_front(tiny_space, run_cli, tmp_path):
    space = tiny_space({"measuring.rounds": 3, "search.precision": ["fp32"]})
    done = run_cli("run", "--space", space, "--run", "r", "--trials", 1)
    assert done.returncode == 0, done.stderr
    found = front_json(run_cli, tmp_path / "r")
    pairs = {(p["engine"], p["params"]["precision"]) for p in found["points"]}
    assert {(each["engine"], each["precision"]) for each in found["ceiling"]} == pairs
    for each in found["ceiling"]:
        peak = each["peak_macs_per_s"]
        assert peak["provenance"] == each["macs_per_s"]["provenance"] == "measured"
        assert peak["method"].startswith("convolutions of 0.46 GMAC a query, ")
        assert peak["value"] > 0
        assert each["macs"] > 1000
        ratio = each["macs_per_s"]["value"] / peak["value"]
        assert each["share_of_peak"] == pytest.approx(ratio)
    assert "How near the ceiling" in (tmp_path / "r/report.html").read_text()

    log = tmp_path / "r" / "run.log"
    before = log.read_text().count("the ceiling of ")
    assert before > 0
    kept = run_of_study(study_of(tmp_path / "r")).peaks
    done = run_cli("run", "--space", space, "--run", "r", "--trials", 1)
    assert done.returncode == 0, done.stderr
    assert log.read_text().count("the ceiling of ") == before, "they are known already"
    assert run_of_study(study_of(tmp_path / "r")).peaks == kept


@pytest.mark.long
def test_without_rounds_nothing_is_measured_until_it_is_confirmed(tiny_space, run_cli, tmp_path):
    space = tiny_space()
    done = run_cli("run", "--space", space, "--run", "r", "--trials", 1)
    assert done.returncode == 0, done.stderr
    (before,) = front_json(run_cli, tmp_path / "r")["ceiling"]
    assert before["share_of_peak"] is None
    assert before["peak_macs_per_s"]["provenance"].endswith("confirm --run DIR measures it")
    assert before["macs_per_s"]["value"] > 0
    assert "the ceiling of" not in (tmp_path / "r/run.log").read_text()
    done = run_cli("confirm", "--run", "r", "--plain")
    assert done.returncode == 0, done.stderr
    (after,) = front_json(run_cli, tmp_path / "r")["ceiling"]
    assert after["share_of_peak"] > 0
