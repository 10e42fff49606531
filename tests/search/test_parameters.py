from __future__ import annotations

import math
from dataclasses import replace

import optuna
import pytest

from evaluators.candidate import Candidate, Distillation
from search.parameters import even_step, grid_size, nearest_value
from spaces.dimensions import Choice, Fixed, Range

TRIALS = 150


def ask_many(space, study, count=TRIALS):
    """Ask trial after trial of one study, each with its candidate."""
    asked = []
    for _ in range(count):
        trial = study.ask()
        asked.append((trial, space.ask(trial)))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    return asked


def same_params(found, expected):
    """Compare parameters; Optuna adds steps up in floats, so its 0.15 has an error at the end."""
    floats = {name: value for name, value in expected.items() if isinstance(value, float)}
    others = {name: value for name, value in expected.items() if name not in floats}
    assert found.keys() == expected.keys()
    assert {name: found[name] for name in others} == others
    assert {name: found[name] for name in floats} == pytest.approx(floats, rel=1e-9)
    return True


def test_ask_then_params_then_candidate_is_the_identity(rich, study):
    for trial, candidate in ask_many(rich, study()):
        params = rich.params_of(candidate)
        assert same_params(params, trial.params)
        assert rich.candidate_of(params) == candidate
        assert rich.candidate_of(trial.params) == candidate


def test_a_queued_candidate_is_what_is_asked_next(rich, study):
    wanted = [candidate for _, candidate in ask_many(rich, study(), 40)]
    live = study()
    for candidate in wanted:
        live.enqueue_trial(rich.params_of(candidate))
    assert [candidate for _, candidate in ask_many(rich, live, 40)] == wanted


def test_a_parameter_has_one_distribution_for_a_whole_study(rich, study):
    seen = {}
    for trial, _ in ask_many(rich, study()):
        for name, distribution in trial.distributions.items():
            seen.setdefault(name, distribution)
            assert seen[name] == distribution, name
    assert {name.removesuffix(".rank") for name in seen} == set(rich.searched)


def test_every_value_of_a_dimension_is_asked_for_sooner_or_later(whole, study):
    candidates = [candidate for _, candidate in ask_many(whole, study(), 400)]
    assert {c.sparsity for c in candidates} == {round(0.05 * n, 2) for n in range(17)}
    assert {c.distillation.epochs if c.distillation else 0 for c in candidates} == {0, 1, 2, 4}
    assert {c.distillation.alpha for c in candidates if c.distillation} == {0.1, 0.2, 0.3}
    assert {c.round_to for c in candidates if c.is_pruned} == {2, 8, 16}
    assert {c.flags["streams"] for c in candidates if c.engine == "openvino"} == {0, 2, 4}
    temperatures = [c.distillation.temperature for c in candidates if c.distillation]
    assert 1 <= min(temperatures) < max(temperatures) <= 10


def test_numbers_stay_numbers_for_the_sampler(whole, study):
    """Words alone are categories: a sampler has to know that 0.5 lies near 0.55."""
    kinds = {}
    for trial, _ in ask_many(whole, study()):
        kinds |= {name: type(d).__name__ for name, d in trial.distributions.items()}
    categories = {name for name, kind in kinds.items() if kind == "CategoricalDistribution"}
    assert categories == {
        "engine",
        "onnxruntime.precision",
        "openvino.precision",
        "pruning.importance",
        "quantization.calibration_method",
        "quantization.per_channel",
        "onnxruntime.graph_optimization",
        "onnxruntime.spinning",
        "openvino.inference_precision",
    }
    assert kinds["sparsity"] == kinds["distillation.alpha"] == "FloatDistribution"
    assert kinds["distillation.epochs.rank"] == kinds["pruning.round_to.rank"] == "IntDistribution"
    assert kinds["openvino.threads"] == kinds["openvino.streams"] == "IntDistribution"


def test_parameters_exist_only_where_they_matter(whole, study):
    for trial, candidate in ask_many(whole, study()):
        names = trial.params.keys()
        is_int8 = candidate.precision == "int8"
        is_openvino = candidate.engine == "openvino"
        assert ("distillation.temperature" in names) == (candidate.distillation is not None)
        assert ("distillation.alpha" in names) == (candidate.distillation is not None)
        assert ("pruning.importance" in names) == candidate.is_pruned
        assert ("openvino.inference_precision" in names) == (is_openvino and is_int8)
        assert ("onnxruntime.spinning" in names) == (not is_openvino)
        assert ("quantization.per_channel" in names) == (not is_openvino and is_int8)


def test_a_pattern_exists_where_the_engine_has_kernels_for_one(patterned, study):
    asked = ask_many(patterned, study())
    for trial, candidate in asked:
        is_offered = candidate.engine == "tensorrt"
        assert ("sparsity_pattern" in trial.params) is is_offered
        assert (candidate.sparsity_pattern is None) is not is_offered
        assert candidate.params().get("sparsity_pattern") == candidate.sparsity_pattern
        params = patterned.params_of(candidate)
        assert same_params(params, trial.params)
        assert patterned.candidate_of(params) == candidate
    patterns = {candidate.sparsity_pattern for _, candidate in asked}
    assert patterns == {None, "dense", "2:4"}
    # The options of pruning are those of channels.
    for trial, candidate in asked:
        assert ("pruning.importance" in trial.params) == candidate.loses_channels


def test_where_only_dense_weights_are_asked_for_there_is_no_pattern(patterned, study):
    dense = replace(patterned, sparsity_pattern=Fixed("dense"))
    assert "sparsity_pattern" not in dense.dimensions
    for _, candidate in ask_many(dense, study(), 30):
        assert candidate.sparsity_pattern is None
        assert "sparsity_pattern" not in candidate.params()


def test_a_pattern_may_be_the_only_one(patterned):
    only = replace(patterned, sparsity_pattern=Fixed("2:4"))
    wanted = Candidate(
        "tensorrt", "fp16", flags=patterned.nearest(Candidate("tensorrt", "fp16")).flags
    )
    assert only.nearest(wanted).sparsity_pattern == "2:4"
    assert only.params_of(wanted) is None, "it is dense"
    assert "sparsity_pattern" not in only.params_of(replace(wanted, sparsity_pattern="2:4"))


def test_names_are_those_a_resumed_study_knows(rich):
    """Renaming one breaks every study that was begun before."""
    groups = {"sparsity.stem", "sparsity.stage2", "sparsity.head"}
    sparsity = {"sparsity"} if "sparsity" in rich.dimensions else groups
    assert set(rich.dimensions) == sparsity | {
        "engine",
        "onnxruntime.precision",
        "onnxruntime.threads",
        "onnxruntime.graph_optimization",
        "onnxruntime.execution_mode",
        "onnxruntime.spinning",
        "onnxruntime.provider",
        "openvino.precision",
        "openvino.threads",
        "openvino.streams",
        "openvino.performance_hint",
        "openvino.inference_precision",
        "pruning.importance",
        "pruning.round_to",
        "distillation.epochs",
        "distillation.temperature",
        "distillation.alpha",
        "quantization.calibration_method",
        "quantization.per_channel",
        "quantization.weight_bits",
        "quantization.preset",
    }


def test_with_one_engine_precision_needs_no_engine_in_its_name(whole, study):
    alone = replace(whole, engines={"openvino": whole.engines["openvino"]})
    assert alone.dimensions["engine"] == Fixed("openvino")
    assert "precision" in alone.searched
    for trial, candidate in ask_many(alone, study(), 30):
        assert "engine" not in trial.params
        assert alone.candidate_of(alone.params_of(candidate)) == candidate


def test_a_fixed_dimension_is_never_a_parameter(rich, study):
    for trial, _ in ask_many(rich, study(), 50):
        assert not {"onnxruntime.execution_mode", "sparsity.head"} & trial.params.keys()
    assert rich.searched.keys() < rich.dimensions.keys()


def plain(**changes):
    flags = {
        "threads": 2,
        "streams": 2,
        "performance_hint": "latency",
        "inference_precision": "f32",
    }
    candidate = Candidate("openvino", "int8", 0.5, None, {"preset": "performance"}, flags, "l1", 16)
    return replace(candidate, **changes)


def test_params_of_a_candidate_are_those_that_suggest_it(whole):
    assert whole.params_of(plain(distillation=Distillation(4, 2.0, 0.2))) == {
        "engine": "openvino",
        "openvino.precision": "int8",
        "sparsity": 0.5,
        "pruning.importance": "l1",
        "pruning.round_to.rank": 2,
        "distillation.epochs.rank": 3,
        "distillation.temperature": 2.0,
        "distillation.alpha": 0.2,
        "openvino.threads": 2,
        "openvino.streams": 2,
        "openvino.inference_precision": "f32",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"sparsity": 0.52},
        {"sparsity": 0.85},
        {"importance": "bn_scale"},
        {"round_to": 4},
        {"distillation": Distillation(3, 2.0, 0.2)},
        {"distillation": Distillation(4, 11.0, 0.2)},
        {"quantization": {"preset": "mixed"}},
        {"flags": {**plain().flags, "streams": 1}},
        {"flags": {**plain().flags, "performance_hint": "throughput"}},
        {"precision": "fp16", "quantization": {}},
    ],
)
def test_a_candidate_outside_the_space_has_no_params(whole, changes):
    assert whole.params_of(plain()) is not None
    assert whole.params_of(plain(**changes)) is None


def test_a_missing_parameter_is_named(whole):
    params = whole.params_of(plain())
    del params["sparsity"]
    with pytest.raises(KeyError, match="sparsity"):
        whole.candidate_of(params)


def test_the_nearest_candidate_lies_inside_value_by_value(whole):
    wanted = plain(
        sparsity=0.52,
        importance="bn_scale",
        round_to=12,
        distillation=Distillation(3, 40.0, 0.24),
        quantization={"preset": "mixed"},
        flags={**plain().flags, "threads": 16, "streams": 3},
    )
    nearest = whole.nearest(wanted)
    assert nearest.sparsity == 0.5
    assert (nearest.importance, nearest.round_to) == ("l2", 8)
    assert nearest.distillation == Distillation(2, 10.0, 0.2)
    assert nearest.quantization == {"preset": "performance"}
    assert (nearest.flags["threads"], nearest.flags["streams"]) == (4, 4)
    assert whole.candidate_of(whole.params_of(nearest)) == nearest


def test_what_is_inside_is_nearest_to_itself(rich, study):
    for _, candidate in ask_many(rich, study(), 50):
        assert rich.nearest(candidate) == candidate


@pytest.mark.parametrize(
    ("dimension", "wanted", "nearest"),
    [
        (Fixed(8), 2, 8),
        (Choice(("a", "b")), "b", "b"),
        (Choice(("a", "b")), "c", "a"),
        (Choice(("a", "b")), None, "a"),
        (Choice((True, False)), 0, True),
        (Choice((1, 2, 4), is_ordered=True), 8, 4),
        (Choice((1, 2, 4), is_ordered=True), 0, 1),
        (Choice((1, 2, 4), is_ordered=True), "many", 1),
        (Range(1, 4, is_integer=True), 8, 4),
        (Range(2, 4, is_integer=True), 0, 2),
        (Range(2, 4, is_integer=True), None, 2),
        (Range(0, 6, 3, is_integer=True), 4, 3),
        (Range(0.3, 0.8, 0.05), 0.0, 0.3),
        (Range(0.3, 0.8, 0.05), 0.43, 0.45),
        (Range(1.0, 10.0, log=True), 0.5, 1.0),
        (Range(1.0, 10.0, log=True), 12, 10.0),
        (Range(1.0, 10.0, log=True), 3.3, 3.3),
        (Range(0.0, 0.8, 0.1), 0.7 + 0.1, 0.8),  # 0.7999999999999999
        (Range(1.0, 10.0, log=True), 3.3 + 4e-16, 3.3),
    ],
)
def test_the_nearest_value_of_a_dimension(dimension, wanted, nearest):
    found = nearest_value(dimension, wanted)
    assert found == nearest
    assert isinstance(found, bool) == isinstance(nearest, bool)
    assert dimension.contains(found)


@pytest.mark.parametrize(
    ("dimension", "size"),
    [
        (Fixed("a"), 1),
        (Choice(("a", "b", "c")), 3),
        (Range(0.0, 0.8, 0.05), 17),
        (Range(1, 4, is_integer=True), 4),
        (Range(0, 6, 3, is_integer=True), 3),
        (Range(1, 100, log=True, is_integer=True), 100),
        (Range(0.0, 1.0), math.inf),
    ],
)
def test_the_size_of_a_dimension(dimension, size):
    assert grid_size(dimension) == size


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ((1, 2, 3), 1),
        ((0.1, 0.2, 0.3), 0.1),
        ((0, 1, 2, 4), None),
        ((8, 16), 8),
        ((0.0, 1 / 3, 2 / 3, 1.0), None),
    ],
)
def test_the_step_of_evenly_spaced_numbers(options, step):
    assert even_step(Choice(options, is_ordered=True)) == step


def test_thirds_are_asked_for_as_they_are_written(whole, study):
    """Optuna would warn of a step that doesn't divide, and never ask for the last."""
    thirds = (0.0, 1 / 3, 2 / 3)
    space = replace(whole, sparsity=Choice(thirds, is_ordered=True))
    assert {candidate.sparsity for _, candidate in ask_many(space, study(), 40)} == set(thirds)


def test_a_power_mode_is_a_parameter_whatever_the_engine(whole, study):
    modes = ("governor:powersave", "governor:performance")
    space = replace(whole, power_mode=Choice(modes))
    asked = ask_many(space, study(), 40)
    for trial, candidate in asked:
        assert trial.params["device.power_mode"] == candidate.power_mode
        assert space.candidate_of(trial.params) == candidate
        assert same_params(space.params_of(candidate), trial.params)
    assert {(c.engine, c.power_mode) for _, c in asked} == {
        (engine, mode) for engine in space.engines for mode in modes
    }
    elsewhere = replace(asked[0][1], power_mode="governor:schedutil")
    assert space.params_of(elsewhere) is None
    assert space.nearest(elsewhere).power_mode == modes[0]


def test_without_power_modes_there_is_no_such_parameter(whole, study):
    assert "device.power_mode" not in whole.dimensions
    assert all(candidate.power_mode is None for _, candidate in ask_many(whole, study(), 3))
