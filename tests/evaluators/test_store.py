import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluators.failures import CandidateRejected, DiskFull
from evaluators.store import ArtifactStore, default_root
from evaluators.store_entry import read_entry


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


def writing(text: str, calls: list | None = None):
    def build(out_dir):
        if calls is not None:
            calls.append(text)
        (out_dir / "model.bin").write_text(text)
        return {"said": text}

    return build


def test_a_recipe_is_built_once(store):
    calls = []
    first = store.get_or_build("export", {"model": "a"}, writing("x", calls))
    again = store.get_or_build("export", {"model": "a"}, writing("y", calls))
    assert calls == ["x"]
    assert (first.was_found, again.was_found) == (False, True)
    assert again.facts == {"said": "x"}
    assert (again.digest, again.path) == (first.digest, first.path)
    assert (again.path / "model.bin").read_text() == "x"


def test_stage_and_every_part_of_the_recipe_are_in_the_key(store):
    recipes = [("a", {"m": 1}), ("b", {"m": 1}), ("a", {"m": 2}), ("a", {"m": 1, "tool": "2.0"})]
    keys = {store.get_or_build(stage, recipe, writing("x")).key for stage, recipe in recipes}
    assert len(keys) == len(recipes)
    assert all(len(key) == 64 for key in keys)


def test_equal_files_have_equal_digests_whatever_their_recipe(store):
    one = store.get_or_build("compress", {"sparsity": 0.1}, writing("same"))
    other = store.get_or_build("compress", {"sparsity": 0.2}, writing("same"))
    assert one.key != other.key
    assert one.digest == other.digest


def test_any_changed_byte_is_noticed_and_rebuilt(store):
    entry = store.get_or_build("export", {}, writing("model"))
    path = entry.path / "model.bin"
    for position in range(5):
        damaged = bytearray(b"model")
        damaged[position] ^= 1
        path.write_bytes(damaged)
        assert read_entry(entry.path) is None
        rebuilt = store.get_or_build("export", {}, writing("model"))
        assert not rebuilt.was_found
        assert path.read_text() == "model"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"files": 3}', '{"files": {"gone": "0"}}'])
def test_a_broken_entry_file_is_rebuilt(store, text):
    entry = store.get_or_build("export", {}, writing("x"))
    (entry.path / "entry.json").write_text(text)
    assert not store.get_or_build("export", {}, writing("x")).was_found


def test_what_fails_leaves_nothing_behind(store):
    def build(out_dir):
        (out_dir / "half").write_text("half")
        raise RuntimeError("the disk is on fire")

    with pytest.raises(RuntimeError, match="on fire"):
        store.get_or_build("export", {}, build)
    assert not list((store.root / "partial").iterdir())
    assert not store.get_or_build("export", {}, writing("x")).was_found


def test_a_failure_is_passed_on_where_the_disk_has_room(store):
    def build(_):
        raise CandidateRejected("op FOO is not supported")

    with pytest.raises(CandidateRejected, match="op FOO"):
        store.get_or_build("export", {}, build)


def full_device(_):
    Path("/dev/full").write_text("x")


def hiding(out_dir):
    """Fail as torch.save does."""
    raise CandidateRejected("RuntimeError: unexpected pos 704 vs 598")


def test_a_full_disk_is_named_with_the_remedy(store):
    with pytest.raises(DiskFull) as caught:
        store.get_or_build("export", {}, full_device)
    assert caught.value.reason == (
        f"{store.root} can't be written: no space left on device. Free space there, or name "
        "another folder with EDGE_INFERENCE_SEARCH_CACHE."
    )
    assert not list((store.root / "partial").iterdir())


@pytest.mark.parametrize("build", [hiding, lambda out_dir: {}], ids=["the build", "the store"])
def test_a_full_disk_is_to_blame_whoever_meets_it(small_disk, fill_disk, build):
    store = ArtifactStore(small_disk / "store")
    ballast = fill_disk(small_disk)
    with pytest.raises(DiskFull, match="store can't be written: no space left on device"):
        store.get_or_build("export", {}, build)
    ballast.unlink()
    assert not store.get_or_build("export", {}, writing("x")).was_found


def test_leftovers_of_a_dead_process_are_swept_and_those_of_a_living_one_kept(tmp_path):
    partial = tmp_path / "store" / "partial"
    dead = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    for pid in (dead, str(os.getpid())):
        (partial / f"{pid}-abc").mkdir(parents=True)
    ArtifactStore(tmp_path / "store")
    assert [path.name for path in partial.iterdir()] == [f"{os.getpid()}-abc"]


def test_two_processes_on_one_store_agree(tmp_path):
    code = (
        "import sys, pathlib\n"
        "from evaluators.store import ArtifactStore\n"
        "store = ArtifactStore(pathlib.Path(sys.argv[1]))\n"
        "for n in range(60):\n"
        "    entry = store.get_or_build('s', {'n': n},\n"
        "        lambda d, n=n: {'size': (d / 'f').write_text(str(n) * 1000)})\n"
        "    assert (entry.path / 'f').read_text() == str(n) * 1000\n"
    )
    root = tmp_path / "store"
    ArtifactStore(root)
    children = [subprocess.Popen([sys.executable, "-c", code, str(root)]) for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    entries = list((root / "s").glob("*/*"))
    assert len(entries) == 60
    assert all(read_entry(entry) is not None for entry in entries)


def test_the_recipe_can_be_read_by_a_person(store):
    entry = store.get_or_build("export", {"model": "a"}, writing("x"))
    document = json.loads((entry.path / "entry.json").read_text())
    assert document["recipe"] == {"stage": "export", "layout": 2, "model": "a"}


def test_the_root_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGE_INFERENCE_SEARCH_CACHE", str(tmp_path / "here"))
    assert default_root() == tmp_path / "here"
    monkeypatch.delenv("EDGE_INFERENCE_SEARCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "edge-inference-search"
