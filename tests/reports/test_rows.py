from __future__ import annotations

from reports.rows import column_names, trial_row


def test_columns_of_later_trials_stay_with_their_kind(build):
    first = build.record()
    second = build.record(params={"distillation.alpha": 0.5}, violations={"accuracy": -0.5})
    run = build.run(first, second)
    names = column_names([trial_row(run, trial) for trial in run.trials])
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
    row = {name: value for part in trial_row(run, run.trials[0]) for name, value in part.items()}
    expected = {
        "trial": 0,
        "state": "complete",
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
