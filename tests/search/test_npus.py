"""Real searches for NPUs that aren't here, each with the shipped space file and a tiny workload."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.evaluators.engines.standin_edgetpu_compiler import FAILURE, SUCCESS, calls, install
from tests.search.runs import front_json

pytest.importorskip("ethosu.vela")
SPACES = Path(__file__).parents[2] / "spaces"


@pytest.fixture
def search(run_cli, tiny_workload_file, tmp_path):
    """Return a function that runs a shipped space, and what came out as JSON and CSV."""

    def run(space, *changes):
        workload = f"workload={tiny_workload_file}:Tiny"
        sets = [part for change in (workload, *changes) for part in ("--set", change)]
        done = run_cli(
            "run", "--space", SPACES / space, "--run", "r", "--trials", 1, "--plain", *sets,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        rows = list(csv.DictReader((tmp_path / "r/trials.csv").read_text().splitlines()))
        return front_json(run_cli, "r"), rows, done.stdout

    return run


def test_an_ethos_u_from_end_to_end(search, run_cli, tmp_path):
    front, rows, printed = search("ethos-u.yaml", "constraints.accuracy=")
    assert printed.startswith("! ethosu: an Ethos-U can't be reached from here")
    assert front["points"]
    for point in front["points"]:
        assert point["values"]["latency_p90_ms"] > 0
        assert point["provenance"]["latency_p90_ms"] == "estimated: vela"
        assert point["provenance"]["ethosu_sram_mib"] == "estimated: vela"
        assert point["provenance"]["accuracy"].startswith("measured: on this machine's CPU (")
        assert point["provenance"]["accuracy"].endswith("instead of ethos-u55-128")
        assert point["intervals"]["latency_p90_ms"] is None
        assert point["confirmed"]
        assert point["rounds"] == 1
        assert point["test"]["value"] > 0.5
    for row in rows:
        milliseconds = float(row["ethosu_cycles"]) / 500e3
        assert float(row["latency_p90_ms"]) == pytest.approx(milliseconds)
        assert row["ethosu_cpu_ops"] == "0.0"
        assert row["ethosu_cycles_provenance"] == "estimated: vela"
        assert row["peak_memory_mib"] == ""
        assert row["peak_memory_mib_provenance"].startswith("unavailable: nothing is run on the d")
        assert Path(row["artifact"]).name == "model_vela.tflite"
    assert "Nothing here is timed" in " ".join(printed.split())
    done = run_cli("export", "--run", "r", "--trial", 0, "--out", "bundle")
    assert done.returncode == 2
    assert "trial 0 wasn't timed: its latency is an estimate" in " ".join(done.stderr.split())
    report = (tmp_path / "r/report.html").read_text()
    assert "estimated: vela" in report
    assert "ethosu_cpu_ops &lt;= 0" in report


def test_an_edge_tpu_with_a_flaky_compiler_and_no_device(search, tmp_path, monkeypatch):
    folder = tmp_path / "bin"
    folder.mkdir()
    program = install(monkeypatch, folder, FAILURE, SUCCESS)
    front, rows, printed = search(
        "coral.yaml",
        "device.if_absent=estimate",
        "objectives=[latency_p90_ms, edgetpu_cycles, edgetpu_offchip_mib, accuracy]",
        "constraints={edgetpu_subgraphs: {max: 1}, edgetpu_offchip_mib: {max: 0}}",
    )
    assert len(calls(program)) == 2
    by = "estimated: an estimate of edgetpu_compiler's own cycle estimate"
    (point,) = front["points"]
    assert point["provenance"]["latency_p90_ms"] == by
    assert point["provenance"]["edgetpu_cycles"] == by
    assert point["provenance"]["edgetpu_offchip_mib"] == "measured"
    assert point["values"]["edgetpu_offchip_mib"] == 0
    cycles = point["values"]["edgetpu_cycles"]
    assert point["values"]["latency_p90_ms"] == pytest.approx(cycles / 500e3)
    assert rows[0]["edgetpu_mapped_ops"] == "14.0"
    assert float(rows[0]["edgetpu_onchip_mib"]) == pytest.approx(6.03)
    assert "marked ~ wherever it is shown" in printed
