"""The policy in a real loop, over an analytic stand-in for the evaluator and a virtual clock."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import optuna
import pytest

from evaluators.engines import load_engine
from evaluators.failures import DeviceLost
from evaluators.measurement import Quantity
from search import feedback
from search.budget import Budget
from search.front import hypervolume, pareto_front
from search.loop import SearchLoop
from search.plan import make_plan
from search.policy.identity import answers_of, key_of, prefix_of
from search.policy.known import KnownTrials
from search.policy.outlook import Outlook
from search.policy.policy import FIRST_SAMPLED, LEAST_SAMPLED, Policy
from search.policy.proposals import Proposal
from search.policy.prospects import Prospects
from search.policy.trial_costs import stages_of
from search.records import Failure, NumberedRecord, Run, TrialRecord
from search.samplers import make_sampler
from search.state import StudyState

SECONDS = {
    "compress": 0.5,
    "distill": 5.0,
    "export": 1.5,
    "quantize": 0.5,
    "compile": 0.2,
    "benchmark": 1.5,
    "score": 0.1,
}
SPACE = """\
budget: {trials: 60}
measuring: {rounds: 0, canary_interval: 100h}
objectives: [latency_p90_ms, model_size_mib, accuracy]
constraints: {accuracy: {max_drop: 0.05}}
search:
  sparsity: {min: 0, max: 0.8, step: 0.1}
  precision: [fp32, int8]
  distillation: {epochs: [0, 1, 2, 4], temperature: {min: 1, max: 10, log: true}, alpha: 0.5}
  engine_flags:
    onnxruntime: {threads: [1, 2, 3, 4], graph_optimization: all, execution_mode: sequential,
                  spinning: [true, false]}
"""


class Stand:
    """Answers from formulas, charging for each stage that wasn't built yet."""

    def __init__(self, plan):
        self.plan = plan
        self.spreads = {}
        self.now_s = 0.0
        self.built = set()
        self.seen = []

    def reference_metric(self):
        return 0.92

    boards = (None,)

    def build_again(self, *_):
        raise DeviceLost("only a formula")  # so the canary says nothing

    def evaluate_baseline(self, candidate):
        return self.evaluate(candidate, "baseline")

    def evaluate(self, candidate, _label, refuse=None, before=None, *_others):
        self.seen.append((candidate, refuse, before))
        seconds, found = {}, []
        for name, stage in stages_of(candidate, self.plan.parameters.engines).items():
            is_found = stage.key is not None and (name, stage.key) in self.built
            found += [name] if is_found else []
            seconds[name] = 0.0 if is_found else SECONDS[name] * stage.units
            self.built.add((name, stage.key))
        self.now_s += sum(seconds.values())
        return TrialRecord(
            dict(candidate.params()),
            numbers(candidate),
            stage_seconds=seconds,
            found_stages=found,
            artifact_sha256=str(candidate.params()),
        )


def numbers(candidate):
    epochs = candidate.distillation.epochs if candidate.distillation else 0
    left = 1 - candidate.sparsity
    is_int8 = candidate.precision == "int8"
    latency_ms = (0.02 + left**1.5) / (2 if is_int8 else 1)
    latency_ms *= {1: 1.0, 2: 0.7, 3: 0.8, 4: 1.2}[candidate.flags["threads"]]
    latency_ms *= 1.0 if candidate.flags["spinning"] else 1.1
    latency_ms *= 0.7 if candidate.has_pattern else 1.0
    pruned = 0.4 * max(0.0, candidate.sparsity - 0.3) ** 2 + 0.03 * candidate.has_pattern
    lost = pruned * 0.6**epochs + 0.002 * is_int8
    return {
        "latency_p90_s": Quantity(latency_ms / 1e3, "s", "formula", "measured"),
        "model_size_bytes": Quantity(1e6 * left**2 / (4 if is_int8 else 1), "B", "-", "measured"),
        "accuracy": Quantity(0.92 - lost, "1", "formula", "measured"),
    }


class Rounding(Stand):
    """A stand where all sparsities from 0.6 on leave the same channels."""

    def evaluate(self, candidate, *others):
        record = super().evaluate(candidate, *others)
        alike = as_rounded(candidate)
        facts = {"compress": {"digest": str(alike.sparsity)}}
        return replace(record, quantities=numbers(alike), facts=facts)


class SlowToAnswer(Stand):
    """A stand where answers take long, so that it is asked first whether they are worth it."""

    def evaluate(self, candidate, *others):
        record = super().evaluate(candidate, *others)
        _, _, before, _, refuse = (*others, *[None] * 4)[:5]
        assert before is None or refuse is None, "a repeat adds samples to what was measured"
        if refuse is None:
            return record
        numbers = {n: q for n, q in record.quantities.items() if n != "accuracy"}
        reason = refuse(replace(record, quantities=numbers))
        failure = None if reason is None else Failure("gated", reason, "score")
        return record if reason is None else replace(record, quantities=numbers, failure=failure)


def as_rounded(candidate):
    return replace(candidate, sparsity=min(candidate.sparsity, 0.6))


@pytest.fixture
def search(space_of, target_of, workload):
    """Return a function that searches for so many virtual seconds; its loop and evaluator."""

    def run(seconds, *, seed=0, study=None, stand=Stand, extra=SPACE, sampler_of=make_sampler):
        plan = make_plan(space_of(extra, "onnxruntime"), target_of("onnxruntime"), workload)
        stand = stand(plan) if isinstance(stand, type) else stand
        study = study or optuna.create_study(directions=[o.direction for o in plan.objectives])
        state = StudyState(plan, study, seed, stand, lambda _event: None)
        budget = Budget(10_000, seconds, lambda: False, lambda: stand.now_s)
        loop = SearchLoop(state, budget, sampler_of=sampler_of)
        loop.run()
        return SimpleNamespace(loop=loop, state=state, stand=stand, study=study)

    return run


def arms(found):
    return [trial.record.origin.get("arm") for trial in found.state.trials]


def test_every_arm_has_its_turn_after_the_first_trials(search):
    found = search(200.0)
    first = len(found.state.plan.first)
    assert arms(found)[: first + FIRST_SAMPLED] == [None] * first + ["sampled"] * FIRST_SAMPLED
    assert set(arms(found)) == {None, "sampled", "prefix", "training", "tuning", "rung", "sweep"}
    spent = Counter()
    for trial in found.state.trials[first:]:
        spent[trial.record.origin["arm"]] += sum(trial.record.stage_seconds.values())
    assert spent["sampled"] / spent.total() > 0.9 * LEAST_SAMPLED


def test_a_sampler_that_repeats_itself_is_asked_less_often(search, monkeypatch):
    chosen = []
    propose = Policy.propose
    monkeypatch.setattr(Policy, "propose", lambda *a: chosen.append(propose(*a)) or chosen[-1])
    found = search(900.0, sampler_of=lambda *_: optuna.samplers.RandomSampler(seed=0))
    seconds = [
        sum(trial.record.stage_seconds.values())
        for trial in found.state.trials[len(found.state.plan.first) :]
    ]
    is_held = [each.proposal is None and bool(each.fixed) for each in chosen]
    assert is_held[:FIRST_SAMPLED] == [True] * FIRST_SAMPLED
    later_s = sum(seconds[FIRST_SAMPLED:])
    held_s = sum(np.array(seconds)[is_held][FIRST_SAMPLED:])
    assert held_s / later_s < LEAST_SAMPLED / 2


def test_nothing_is_trained_that_was_not_measured_untrained(search):
    """Except where a neighbour of a trained member is forecast to need it, in its own arm."""
    seen = set()
    for trial in search(150.0).state.trials:
        params = trial.record.params
        if trial.record.origin.get("arm") == "rung":
            assert params["sparsity"] in seen
            assert params["distillation.epochs"] > 0
        if trial.record.origin.get("arm") == "sampled":
            assert params["distillation.epochs"] == 0
        seen.add(params["sparsity"])


def test_answers_that_are_known_are_spared_where_they_cannot_help(search):
    found = search(600.0, stand=SlowToAnswer)
    state = found.state
    spared = [trial for trial in state.trials if trial.record.failure is not None]
    assert spared
    for trial in spared:
        candidate = state.candidates[trial.number]
        before = [other for other in state.trials if other.number < trial.number]
        answered = {answers_of(state.candidates[o.number]) for o in before if o not in spared}
        assert answers_of(candidate) in answered
        whole = replace(trial.record, quantities=numbers(candidate), failure=None)
        late = NumberedRecord(trial.number, "complete", state.judged(whole))
        assert late not in pareto_front(replace(state.snapshot(), trials=[*before, late]))


def test_where_no_forecast_promises_anything_the_sampler_may_train(search, monkeypatch):
    monkeypatch.setattr(Prospects, "proposals", lambda *_: [])
    found = search(200.0)
    first = len(found.state.plan.first) + FIRST_SAMPLED
    epochs = [t.record.params["distillation.epochs"] for t in found.state.trials]
    assert not any(epochs[:first])
    assert any(epochs[first:])


@pytest.mark.parametrize(
    ("near", "least_hope"), [("front", 4.0), ("promising", 0.5), ("known", 4.0)]
)
def test_where_little_hope_promises_nothing_the_search_hopes_for_more_and_looks_further(
    search, monkeypatch, near, least_hope
):
    monkeypatch.setattr(Prospects, "_more_training", lambda *_: iter(()))
    forecast = Outlook.forecast

    def only_there(outlook, proposals, hope):
        nearer = [] if near == "front" else outlook.front
        members = {known.trial.number for known in getattr(outlook, near)}
        members -= {known.trial.number for known in nearer}
        return [
            replace(each, gain=1e-3 * (each.parent in members and hope >= least_hope))
            for each in forecast(outlook, proposals, hope)
        ]

    monkeypatch.setattr(Outlook, "forecast", only_there)
    found = search(200.0)
    later = found.state.trials[len(found.state.plan.first) + FIRST_SAMPLED :]
    assert any(trial.record.origin.get("parent") is not None for trial in later)


def test_the_first_training_is_not_the_longest(search):
    """Which promises most, while nothing says what an epoch takes."""
    epochs = [t.record.params["distillation.epochs"] for t in search(300.0).state.trials]
    trained = [count for count in epochs if count]
    assert trained[0] < max(trained)


def test_other_flags_promise_no_better_metric_than_was_scored(search, monkeypatch):
    state = search(60.0).state
    dimensions = state.plan.parameters.dimensions
    run = state.snapshot()
    outlook = Outlook(dimensions, run, KnownTrials().of(run, state.candidates))
    monkeypatch.setattr(outlook, "gain_of", lambda _costs, metric_cost: metric_cost)
    parent = outlook.known[-1]
    threads = next(n for n in (1, 2, 3, 4) if n != parent.candidate.flags["threads"])
    other_flags = replace(parent.candidate, flags={**parent.candidate.flags, "threads": threads})
    other_model = replace(parent.candidate, sparsity=0.85)
    proposals = [Proposal("sweep", 0, other_flags), Proposal("prefix", 0, other_model)]
    known, forecast = (proposal.gain for proposal in outlook.forecast(proposals, 0.5))
    assert known == parent.metric_cost
    assert forecast != parent.metric_cost


def test_it_finds_in_a_fifth_of_the_time_what_tpe_finds_without_a_store(search):
    state = search(120.0).state
    plain = Stand(state.plan)
    study = optuna.create_study(directions=[o.direction for o in state.plan.objectives])
    trials = []
    while plain.now_s < 600.0:
        plain.built.clear()
        study.sampler = make_sampler(0, len(trials))
        trial = study.ask()
        record = state.judged(plain.evaluate(state.plan.parameters.ask(trial), "plain"))
        feedback.tell(study, trial, record, state.plan.objectives)
        trials.append(NumberedRecord(len(trials), "complete", record))
    theirs = Run(state.facts, state.baseline, trials)
    assert hypervolume(state.snapshot()) > 0.95 * hypervolume(theirs) > 0


def test_an_interrupted_search_goes_on_as_it_would_have(search):
    whole = search(100.0)
    half = search(50.0)
    resumed = search(50.0, study=half.study, stand=half.stand)
    params = [trial.record.params for trial in resumed.state.trials]
    expected = [trial.record.params for trial in whole.state.trials]
    common = min(len(params), len(expected))
    assert common > len(half.state.trials)
    assert params[:common] == expected[:common]


def test_a_trial_that_someone_else_enqueues_is_tried_and_belongs_to_no_arm(search, monkeypatch):
    half = search(50.0)
    state = half.state
    parameters = state.plan.parameters
    wanted = [parameters.nearest(replace(state.candidates[0], sparsity=s)) for s in (0.6, 0.7)]
    before, propose = len(state.trials), Policy.propose

    def propose_when_others_have_come(policy, run, *others):
        if len(run.trials) == before:  # after the queue was counted
            for candidate in wanted:
                state.study.enqueue_trial(parameters.params_of(candidate))
        return propose(policy, run, *others)

    monkeypatch.setattr(Policy, "propose", propose_when_others_have_come)
    resumed = search(30.0, study=half.study, stand=half.stand)
    first, second, chosen, *ours = resumed.state.trials[before:]
    assert [first.record.params["sparsity"], second.record.params["sparsity"]] == [0.6, 0.7]
    assert [each.record.origin for each in (first, second, chosen)] == [{}, {}, {}]
    assert ours
    assert all(trial.record.origin["arm"] for trial in ours)
    assert not resumed.study.get_trials(states=(optuna.trial.TrialState.WAITING,))


def test_proposals_are_new_and_inside_the_space(search):
    found = search(150.0)
    seen = set()
    for trial in found.state.trials:
        key = tuple(sorted(trial.record.params.items()))
        if trial.record.origin.get("arm") in ("prefix", "sweep"):
            assert key not in seen
        seen.add(key)
        candidate = found.state.candidates[trial.number]
        assert found.state.plan.parameters.params_of(candidate) is not None


def test_a_candidate_seen_before_adds_samples_to_every_trial_of_it(search):
    only = SPACE.replace("{min: 0, max: 0.8, step: 0.1}", "0").replace("[1, 2, 3, 4]", "1")
    found = search(40.0, extra=only)
    repeats = [before for _candidate, _refuse, before in found.stand.seen if before is not None]
    assert repeats
    numbers_of = {}
    for trial in found.state.trials:
        key = tuple(sorted(trial.record.params.items()))
        numbers_of.setdefault(key, set()).add(trial.record.quantities["latency_p90_s"].value)
    assert all(len(values) == 1 for values in numbers_of.values())


def test_a_model_is_tried_under_one_of_its_names(search):
    found = search(300.0, stand=Rounding)
    seen, named, repeats = set(), set(), 0
    for trial in found.state.trials:
        candidate = found.state.candidates[trial.number]
        is_repeat = key_of(as_rounded(candidate)) in seen
        # That another sparsity comes to the same model is only known once it was tried.
        if trial.record.origin.get("arm") in ("prefix", "training", "tuning", "rung", "sweep"):
            assert not is_repeat or candidate.sparsity not in named
        elif is_repeat:
            repeats += 1
        seen.add(key_of(as_rounded(candidate)))
        named.add(candidate.sparsity)
    assert len([sparsity for sparsity in named if sparsity > 0.6]) > 1
    assert repeats


def test_samples_are_shared_by_the_names_of_a_model(search):
    only = SPACE.replace("[1, 2, 3, 4]", "1").replace("[true, false]", "true")
    found = search(60.0, stand=Rounding, extra=only)
    shared = [
        (candidate, before)
        for candidate, _refuse, before in found.stand.seen
        if before is not None and before.params["sparsity"] != candidate.sparsity
    ]
    assert shared
    for trial in found.state.trials:
        sparsity = found.state.candidates[trial.number].sparsity
        assert trial.record.params["sparsity"] == sparsity


@pytest.mark.parametrize(("lowest", "is_probed"), [(4, True), (0, False)])
def test_only_what_is_dear_to_train_and_never_measured_is_probed(search, lowest, is_probed):
    space = SPACE.replace("epochs: [0, 1, 2, 4]", f"epochs: {lowest}")
    found = search(150.0, extra=space)
    probed = [c for c, refuse, _ in found.stand.seen if refuse is not None]
    assert bool(probed) is is_probed
    assert all(candidate.is_pruned and candidate.distillation for candidate in probed)


def test_a_model_in_a_pattern_is_trained_though_it_keeps_its_channels(search, monkeypatch):
    monkeypatch.setattr(type(load_engine("onnxruntime")), "sparsity_patterns", {"2:4": {}})
    space = SPACE.replace(
        "sparsity: {min: 0, max: 0.8, step: 0.1}", "sparsity: 0\n  sparsity_pattern: [dense, 2:4]"
    )
    found = search(150.0, extra=space)
    climbed = {
        found.state.candidates[trial.number].sparsity_pattern
        for trial in found.state.trials
        if trial.record.origin.get("arm") == "rung"
    }
    assert climbed == {"2:4"}


def test_no_model_is_trained_twice_to_the_same_rung(search):
    climbed = Counter()
    for trial in (found := search(200.0)).state.trials:
        candidate = found.state.candidates[trial.number]
        if trial.record.origin.get("arm") == "rung":
            climbed[prefix_of(candidate), candidate.distillation.epochs] += 1
    assert climbed
    assert max(climbed.values()) == 1
    assert math.isfinite(found.stand.now_s)


def test_what_is_under_way_is_not_proposed_again(search):
    found = search(100.0)
    state, under_way = found.state, []
    for _ in range(5):
        chosen = found.loop.policy.propose(state.snapshot(), state.candidates, under_way)
        proposal = chosen.proposal
        if proposal is None:
            break
        candidate = proposal.candidate
        assert candidate not in under_way
        rungs = [(prefix_of(each), each.epochs) for each in under_way]
        assert proposal.arm != "rung" or (prefix_of(candidate), candidate.epochs) not in rungs
        under_way.append(candidate)
    assert len(under_way) > 1
