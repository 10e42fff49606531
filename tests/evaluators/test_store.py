import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evaluators.failures import (
    CandidateAborted,
    CandidateRejected,
    DeviceLost,
    DiskFull,
    InputError,
)
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


BUILDING = """
import pathlib, random, sys
from evaluators.store import ArtifactStore
store, seed = ArtifactStore(pathlib.Path(sys.argv[1])), int(sys.argv[2])
numbers = list(range(200))
random.Random(seed).shuffle(numbers)
for n in numbers:
    text = str(n) * 1000
    entry = store.get_or_build("s", {"n": n}, lambda d: {"size": (d / "f").write_text(text)})
    assert (entry.path / "f").read_text() == text
    assert entry.facts == {"size": len(text)}
    print(n, entry.was_found, flush=True)
"""
EVICTING = """
import pathlib, sys, time
from evaluators.store import ArtifactStore
store = ArtifactStore(pathlib.Path(sys.argv[1]))
print("ready", flush=True)
gone = 0
while not pathlib.Path(sys.argv[2]).exists():
    gone += len(store.prune(20_000))
    time.sleep(0.001)
print(gone)
"""


def _start(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _build_in_two_processes(root):
    children = [_start(BUILDING, root, seed) for seed in range(2)]
    printed = [child.communicate()[0] for child in children]
    assert [child.returncode for child in children] == [0, 0]
    return [dict(line.split() for line in lines.splitlines()) for lines in printed]


def test_two_processes_on_one_store_lose_and_double_nothing(tmp_path):
    root = tmp_path / "store"
    ArtifactStore(root)
    answers = _build_in_two_processes(root)
    assert [len(answer) for answer in answers] == [200, 200]
    entries = list((root / "s").glob("*/*"))
    assert len(entries) == 200
    assert all(read_entry(entry) is not None for entry in entries)
    assert not list((root / "partial").iterdir())
    found_by_both = [n for n in answers[0] if answers[0][n] == answers[1][n] == "True"]
    assert not found_by_both  # somebody has to have built each


def test_two_processes_get_what_they_ask_for_while_a_third_evicts(tmp_path):
    root, end = tmp_path / "store", tmp_path / "end"
    evicting = _start(EVICTING, root, end)
    assert evicting.stdout.readline() == "ready\n"
    answers = _build_in_two_processes(root)
    end.touch()
    gone = int(evicting.communicate()[0])
    assert [len(answer) for answer in answers] == [200, 200]
    assert gone > 100
    assert all(read_entry(entry) is not None for entry in (root / "s").glob("*/*"))
    assert not list((root / "partial").iterdir())


def test_killed_while_it_builds_a_process_leaves_nothing_that_counts(tmp_path):
    code = """
import pathlib, sys, time
from evaluators.store import ArtifactStore
def build(out_dir):
    (out_dir / "f").write_text("half")
    print("half", flush=True)
    time.sleep(60)
ArtifactStore(pathlib.Path(sys.argv[1])).get_or_build("s", {}, build)
"""
    root = tmp_path / "store"
    child = _start(code, root)
    assert child.stdout.readline() == "half\n"
    child.kill()
    child.communicate()
    assert list((root / "partial").iterdir())
    store = ArtifactStore(root)
    assert not list((root / "partial").iterdir())
    assert not list(root.glob("s/*/*"))
    assert not store.get_or_build("s", {}, writing("whole")).was_found


def test_killed_at_any_moment_a_process_leaves_whole_entries(tmp_path):
    root = tmp_path / "store"
    for lines in (1, 20, 50, 90, 130):
        child = _start(BUILDING, root, lines)
        for _ in range(lines):
            assert child.stdout.readline()
        child.kill()
        child.communicate()
        assert all(read_entry(entry) is not None for entry in root.glob("s/*/*"))
    ArtifactStore(root)
    assert not list((root / "partial").iterdir())


def test_the_first_of_two_builds_of_one_recipe_is_what_both_get(store):
    def build(out_dir):
        store.get_or_build("s", {}, writing("first"))
        return writing("second")(out_dir)

    entry = store.get_or_build("s", {}, build)
    assert entry.facts == {"said": "first"}
    assert (entry.path / "model.bin").read_text() == "first"
    assert not entry.was_found


def refusing(calls, failure=CandidateRejected):
    def build(out_dir):
        calls.append(failure.kind)
        (out_dir / "half").write_text("half")
        raise failure("op FOO is not supported. Leave it out.")

    return build


def test_a_refusal_is_remembered_with_its_reason_and_how_to_forget_it(store):
    calls = []
    with pytest.raises(CandidateRejected, match=r"^op FOO is not supported. Leave it out.$"):
        store.get_or_build("export", {"model": "a"}, refusing(calls))
    again = ArtifactStore(store.root)
    with pytest.raises(
        CandidateRejected, match=r"^op FOO .* Leave it out. .*store --forget"
    ) as got:
        again.get_or_build("export", {"model": "a"}, refusing(calls))
    assert got.value.stage == "export"
    assert calls == ["rejected"]


def test_a_refusal_is_of_its_recipe_alone(store):
    calls = []
    for version in ("1.0", "2.0"):
        with pytest.raises(CandidateRejected, match="op FOO"):
            store.get_or_build("export", {"tools": {"onnx": version}}, refusing(calls))
    assert calls == ["rejected"] * 2


def test_a_forgotten_refusal_is_tried_again(store):
    store.get_or_build("export", {"model": "b"}, writing("x"))
    with pytest.raises(CandidateRejected, match="op FOO"):
        store.get_or_build("export", {"model": "a"}, refusing([]))
    assert len(store.forget_refusals()) == 1
    assert not store.get_or_build("export", {"model": "a"}, writing("x")).was_found
    assert store.get_or_build("export", {"model": "b"}, writing("x")).was_found


@pytest.mark.parametrize("failure", [CandidateAborted, DeviceLost, InputError, DiskFull])
def test_what_says_nothing_of_the_candidate_is_never_remembered(store, failure):
    calls = []
    for _ in range(2):
        with pytest.raises(failure, match=r"op FOO is not supported. Leave it out.$"):
            store.get_or_build("export", {}, refusing(calls, failure))
    assert len(calls) == 2
    assert not store.get_or_build("export", {}, writing("x")).was_found


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


def test_a_refusal_that_another_process_met_first_is_passed_on(store):
    def build(out_dir):
        with pytest.raises(CandidateRejected, match="op FOO"):
            store.get_or_build("s", {}, refusing([]))
        return writing("late")(out_dir)

    with pytest.raises(CandidateRejected, match="Remembered"):
        store.get_or_build("s", {}, build)


def test_who_mends_an_entry_takes_what_another_process_mended_first(store, monkeypatch):
    place = store.get_or_build("s", {}, writing("x")).path
    (place / "model.bin").write_text("damaged")
    ours = store.root / "partial" / "ours"
    ours.mkdir()
    rename = Path.rename

    def overtaken(path, target):
        if path == ours:
            monkeypatch.undo()
            store.get_or_build("s", {}, writing("x"))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", overtaken)
    (ours / "f").touch()
    with store._lock:
        winner = store._replace(place, ours)
    assert winner.facts == {"said": "x"}
