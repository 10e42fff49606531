import json
from pathlib import Path

import pytest

from evaluators.bundle.folder import read_bundle, read_check
from evaluators.engines import engine_names
from reports.bundle.write import check_out, code_of, write_bundle
from search.errors import UsageError

ROOT = Path(__file__).parents[3]
DEVICE_SIDE = Path(ROOT / "Makefile").read_text().partition("DEVICE_SIDE := ")[2].partition("\n\n")


def test_a_bundle_is_read_as_it_was_written(exported, tmp_path):
    out = tmp_path / "deep" / "bundle"
    write_bundle(exported, out)
    bundle = read_bundle(out)
    assert bundle.engine == "openvino"
    assert (bundle.model_folder / bundle.artifact).read_bytes() == b"weights"
    inputs, outputs = read_check(bundle)
    assert inputs[0].tobytes() == exported.inputs["image"].tobytes()
    assert outputs[0].tobytes() == exported.outputs[0].tobytes()
    assert [number.name for number in bundle.numbers] == ["latency_p90_ms"]
    assert sorted(path.name for path in out.iterdir()) == [
        "Dockerfile",
        "MODEL_CARD.md",
        "PROCESSING.md",
        "SHA256SUMS",
        "bundle.json",
        "check.npz",
        "evaluators",
        "model",
        "requirements.txt",
        "run.py",
    ]
    assert list(tmp_path.glob("deep/.*")) == []


def test_nothing_that_is_there_is_overwritten(exported, tmp_path):
    out = tmp_path / "mine"
    out.mkdir()
    with pytest.raises(UsageError, match=r"--out must be a folder that isn't there yet"):
        write_bundle(exported, out)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"--out must be a folder that isn't there yet"):
        check_out(link)


def test_a_file_that_is_not_the_measured_one_leaves_no_bundle(exported, tmp_path):
    exported.built.artifact.write_bytes(b"others!")
    with pytest.raises(UsageError, match=r"model\.blob changed while it was copied"):
        write_bundle(exported, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()
    assert list(tmp_path.glob(".bundle*")) == []


def test_a_full_disk_leaves_no_bundle(exported, small_disk, fill_disk):
    fill_disk(small_disk)
    with pytest.raises(UsageError, match="can't be written: No space left on device"):
        write_bundle(exported, small_disk / "bundle")
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


@pytest.mark.parametrize("engine", engine_names())
def test_only_the_device_side_travels_and_all_of_it_that_the_engine_needs(engine):
    checked = DEVICE_SIDE[0].replace("\\", " ").split()
    names = [path.relative_to(ROOT).as_posix() for path in code_of(engine)]
    assert [n for n in names if not n.startswith(tuple(checked))] == []
    assert f"evaluators/engines/{engine}.py" in names
    assert "evaluators/benchmark/worker.py" in names
    assert {str(Path(n).parent / "__init__.py") for n in names} <= set(names)
    others = set(engine_names()) - {engine}
    assert not {f"evaluators/engines/{other}.py" for other in others} & set(names)


def test_files_of_a_bundle_are_named_in_its_sums(exported, tmp_path):
    write_bundle(exported, tmp_path / "bundle")
    said = json.loads((tmp_path / "bundle/bundle.json").read_text())
    sums = (tmp_path / "bundle/SHA256SUMS").read_text()
    assert f"{said['artifact_sha256']}  model/model.blob\n" in sums
    assert sums.count("\n") == len([p for p in (tmp_path / "bundle").rglob("*") if p.is_file()]) - 1
