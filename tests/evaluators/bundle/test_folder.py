import subprocess

import numpy as np
import pytest

from evaluators.bundle.folder import BundleDamaged, read_bundle, read_check

NAMES = ["bundle.json", "SHA256SUMS", "check.npz", "run.py", "model/model.onnx"]


def test_a_bundle_says_how_to_run_and_what_is_judged(folder):
    bundle = read_bundle(folder)
    assert bundle.engine == "onnxruntime"
    assert bundle.model_folder / bundle.artifact == folder / "model/model.onnx"
    assert [number.name for number in bundle.numbers] == ["latency_p50_ms", "peak_memory_mib"]
    assert bundle.numbers[1].low == pytest.approx(7.2)
    assert bundle.outputs[0].tolerance == 0.01
    assert bundle.inputs[0].tolerance == 0
    assert bundle.power_mode is None  # as in bundles from before there were any
    inputs, outputs = read_check(bundle)
    assert (inputs[0].shape, outputs[0].shape) == ((4, 4), (4, 1))


def test_a_bundle_may_say_a_power_mode(write):
    assert read_bundle(write(power_mode="nvpmodel:15W")).power_mode == "nvpmodel:15W"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", [0, 0.5, 1])
@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80])
def test_one_changed_byte_is_refused(folder, name, place, flip):
    path = folder / name
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= flip
    path.write_bytes(content)
    with pytest.raises(BundleDamaged, match=r"has changed|isn't there|is missing|can't be read"):
        read_bundle(folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_byte_more_or_less_is_refused(folder, name):
    path = folder / name
    content = path.read_bytes()
    for changed in (content + b"\n", content[:-1]):
        path.write_bytes(changed)
        with pytest.raises(BundleDamaged, match="copy or export it again"):
            read_bundle(folder)


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises(BundleDamaged, match=r"missing|has none|can't be read"):
        read_bundle(folder)


def test_a_file_of_its_owner_beside_the_others_is_fine(folder):
    (folder / "notes.txt").write_text("mine")
    assert read_bundle(folder).engine == "onnxruntime"


def test_the_sums_are_those_that_the_usual_tool_checks(folder):
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK") == len(NAMES) - 1


def test_a_folder_without_bundle_json_is_none(tmp_path):
    with pytest.raises(BundleDamaged, match=r"with a bundle\.json, but .* has none\. Export one"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("name", ["../outside", "/etc/hostname", "model/../../outside", "c:\\x"])
def test_sums_of_files_elsewhere_are_refused(folder, name):
    sums = folder / "SHA256SUMS"
    lines = [*sums.read_text().splitlines(), f"{'0' * 64}  {name}"]
    sums.write_text("".join(f"{line}\n" for line in sorted(lines, key=lambda line: line[66:])))
    with pytest.raises(BundleDamaged, match="leads out of it"):
        read_bundle(folder)


def test_a_link_in_place_of_a_file_or_folder_is_refused(folder, tmp_path):
    model = folder / "model"
    model.rename(tmp_path / "elsewhere")
    model.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleDamaged, match=r"model/model\.onnx is a link"):
        read_bundle(folder)


@pytest.mark.parametrize("artifact", ["../run.py", "model.bin", "model/model.onnx", "", 3])
def test_an_artifact_that_is_not_the_measured_file_is_refused(write, artifact):
    with pytest.raises(BundleDamaged, match=r"isn't the file that was measured|must be a file"):
        read_bundle(write(artifact=artifact))


def test_a_model_that_was_exchanged_is_refused_even_if_the_sums_are_its_own(folder, resign):
    (folder / "model/model.onnx").write_bytes(b"others")
    resign(folder)
    with pytest.raises(BundleDamaged, match=r"model/model\.onnx isn't the file that was measured"):
        read_bundle(folder)


def test_a_newer_format_is_told_apart(write):
    with pytest.raises(BundleDamaged, match="format_version must be 1, but is 2"):
        read_bundle(write(format_version=2))


@pytest.mark.parametrize(
    "changes",
    [
        {"flags": None},
        {"timing": {"min_queries": "many"}},
        {"judged": ["latency_p99_ms"]},
        {"judged": 3},
        {"inputs": [{"name": "signal"}]},
        {"numbers": {"latency_p50_ms": {}, "peak_memory_mib": {}}},
        {"batch_size": [1]},
    ],
)
def test_what_bundle_json_lacks_is_named(write, changes):
    with pytest.raises(BundleDamaged, match=r"bundle\.json doesn't say what it must"):
        read_bundle(write(**changes))


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "[" * 100_000])
def test_what_is_no_object_is_refused(folder, resign, text):
    (folder / "bundle.json").write_text(text)
    resign(folder)
    with pytest.raises(BundleDamaged, match=r"bundle\.json doesn't say what it must"):
        read_bundle(folder)


def test_pickled_check_inputs_are_never_loaded(folder, resign):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("it was loaded",))

    trap = np.array([Trap()], dtype=object)
    np.savez(folder / "check.npz", input_0=trap, output_0=trap)
    resign(folder)
    with pytest.raises(BundleDamaged, match=r"check\.npz: .*allow_pickle=False"):
        read_check(read_bundle(folder))


@pytest.mark.parametrize(
    "arrays",
    [
        {"input_0": np.zeros((4, 4), np.float32)},
        {"input_0": np.zeros((4, 4), np.float32), "output_0": np.zeros((3, 1), np.float32)},
    ],
)
def test_inputs_without_outputs_are_refused(folder, resign, arrays):
    np.savez(folder / "check.npz", **arrays)
    resign(folder)
    with pytest.raises(BundleDamaged, match=r"check\.npz"):
        read_check(read_bundle(folder))
