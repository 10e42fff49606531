from __future__ import annotations

from reports.rows import candidate_row, column_names, flat, trial_rows


def test_columns_of_later_trials_stay_with_their_kind(build):
    first = build.record()
    second = build.record(params={"distillation.alpha": 0.5}, violations={"accuracy": -0.5})
    run = build.run(first, second)
    names = column_names(trial_rows(run))
    assert names.index("distillation.alpha") == names.index("openvino.threads") + 1
    assert names.index("violation.accuracy") < names.index("failure_kind")


def test_a_row_holds_every_number_with_its_interval_and_provenance(build):
    record = build.record(
        0.5,
        stage_seconds={"export": 1.5},
        found_stages=["compress", "export"],
        ask_seconds=0.25,
    )
    run = build.run(record)
    row = flat(trial_rows(run)[0])
    expected = {
        "trial": 0,
        "state": "complete",
        "outcome": "front",
        "engine": "openvino",
        "sparsity": 0.0,
        "latency_p90_ms": 0.5,
        "latency_p90_ms_high": 0.55,
        "latency_p90_ms_provenance": "measured",
        "peak_memory_mib": 4.0,
        "peak_memory_mib_low": None,
        "power_w": None,
        "power_w_provenance": "unavailable: no meter here",
        "failure_kind": None,
        "export_seconds": 1.5,
        "found_stages": "compress export",
        "ask_seconds": 0.25,
        "artifact_sha256": "9f2b" * 16,
    }
    assert {name: row[name] for name in expected} == expected


def test_a_candidate_has_its_objectives_and_what_else_is_wanted(build):
    run = build.run(build.record(0.5, power_w=1.5))
    names = flat(candidate_row(run, run.trials[0], "front"))
    assert "power_w" not in names
    row = flat(candidate_row(run, run.trials[0], "front", ["power_w", "accuracy"]))
    assert set(row) - set(names) == {"power_w", "power_w_low", "power_w_high", "power_w_provenance"}
    assert (row["power_w"], row["power_w_provenance"]) == (1.5, build.ESTIMATED)


def test_a_parameter_cannot_take_the_place_of_what_a_trial_is(build):
    run = build.run(build.record(params={"trial": 7, "outcome": "fine"}))
    row = flat(trial_rows(run)[0])
    assert (row["trial"], row["outcome"]) == (0, "front")
