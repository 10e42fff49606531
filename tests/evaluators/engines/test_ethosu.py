from __future__ import annotations

import csv
from importlib import metadata

import pytest

from evaluators.engines import ethosu
from evaluators.engines.ethosu import ENGINE
from evaluators.failures import CandidateRejected
from tests.evaluators.engines.contract import EngineContract
from tests.evaluators.engines.tflite_models import float_folder, int8_folder, leaky_folder

pytest.importorskip("ethosu.vela")

DEFAULTS = {name: flag.default for name, flag in ENGINE.flags(1).items()}


class TestContract(EngineContract):
    engine = ENGINE
    precision = "int8"
    tolerance = 0.05

    @pytest.fixture
    def portable(self):
        return int8_folder()

    @pytest.fixture
    def refused(self):
        return float_folder()


def compiled(out_dir, model=None, **flags):
    return ENGINE.compile(model or int8_folder(), "int8", {**DEFAULTS, **flags}, out_dir)


def test_what_vela_made_is_shipped_and_its_own_figures_are_told(tmp_path):
    found = compiled(tmp_path)
    assert found.artifact == "model_vela.tflite"
    assert b"ethos-u" in (tmp_path / found.artifact).read_bytes()
    summary = tmp_path / "model_summary_Ethos_U55_High_End_Embedded.csv"
    (row,) = csv.DictReader(summary.read_text().splitlines())
    assert set(found.metrics) == set(ENGINE.figures)
    assert found.metrics["ethosu_cycles"] == float(row["cycles_total"]) > 0
    assert found.latency_s == pytest.approx(float(row["inference_time"]))
    assert found.metrics["ethosu_npu_ops"] > found.metrics["ethosu_cpu_ops"] == 0
    (note,) = found.notes
    assert note.endswith(
        "for ethos-u55-128 in Arm's system Ethos_U55_High_End_Embedded, at 500 MHz."
    )


def test_the_same_model_is_compiled_to_the_same_bytes(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
        compiled(folder)
    one, two = ((folder / "model_vela.tflite").read_bytes() for folder in folders)
    assert one == two


def test_flags_reach_vela(tmp_path):
    found = {}
    for name, flags in {
        "default": {},
        "chip": {"accelerator": "ethos-u85-512"},
        "mode": {"memory_mode": "Sram_Only"},
    }.items():
        (tmp_path / name).mkdir()
        found[name] = compiled(tmp_path / name, **flags).metrics
    assert found["chip"]["ethosu_cycles"] < found["default"]["ethosu_cycles"]
    assert found["default"]["ethosu_flash_bytes"] > found["mode"]["ethosu_flash_bytes"] == 0
    assert found["mode"]["ethosu_sram_bytes"] > found["default"]["ethosu_sram_bytes"]


def test_ops_left_to_the_cpu_are_named_and_leave_no_latency(tmp_path):
    found = compiled(tmp_path, leaky_folder())
    assert found.latency_s is None
    assert found.metrics["ethosu_cpu_ops"] == 3
    assert "these run on the CPU: 1 Dequantize, 1 LeakyRelu, 1 Quantize." in found.notes[-1]


def test_a_model_of_which_nothing_maps_is_refused(tmp_path):
    with pytest.raises(CandidateRejected, match=r"must put some op on the Ethos-U, but left"):
        compiled(tmp_path, float_folder())


def test_every_precision_but_int8_is_refused():
    assert "must be int8, but got fp16" in ENGINE.refusal("fp16", DEFAULTS)


def test_a_memory_mode_that_the_chip_has_not_is_refused_before_anything_is_built():
    dedicated = {**DEFAULTS, "memory_mode": "Dedicated_Sram"}
    assert "must be Shared_Sram or Sram_Only" in ENGINE.refusal("int8", dedicated)
    assert ENGINE.refusal("int8", {**dedicated, "accelerator": "ethos-u65-256"}) is None


@pytest.mark.parametrize("chip", ENGINE.flags(1)["accelerator"].values)
def test_every_chip_is_one_of_vela_s(chip):
    from ethosu.vela.architecture_features import Accelerator

    assert chip in Accelerator.member_list()


def test_vela_is_missed_where_it_compiles_and_the_runtime_where_it_runs(monkeypatch):
    assert ENGINE.compiles_on_host
    assert ENGINE.missing_compiler() is None
    assert ENGINE.toolchain({}) == metadata.version("ethos-u-vela")
    monkeypatch.setattr(ethosu, "VELA", "no_such_vela")
    assert ENGINE.missing() is None
    assert ENGINE.missing_compiler().remedy == "pip install 'edge-inference-search[ethosu]'"
    assert ENGINE.toolchain({}) == ""


def test_nothing_stands_in_for_its_latency():
    assert "can't be reached from here" in ENGINE.stand_in_reason()
    assert (ENGINE.has_stand_in, ENGINE.estimated_by) == (False, "vela")
    assert {figure.provenance for figure in ENGINE.figures.values()} == {"estimated: vela"}
