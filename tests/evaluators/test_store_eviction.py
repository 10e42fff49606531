"""What goes, in which order, and what never does."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from evaluators.store import ArtifactStore
from evaluators.store_entry import ENTRY_FILE, read_entry, shared_hold
from evaluators.store_eviction import limit_bytes, pinned_keys, stored_entries

KIB = 2**10


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


def writing(size_bytes):
    def build(out_dir):
        (out_dir / "f").write_bytes(bytes(size_bytes))
        return {}

    return build


@pytest.fixture
def add(store):
    """Return a function that builds or finds an entry of a name, 10 KiB, and lets go of it."""

    def add(name, size_bytes=10 * KIB):
        return store.get_or_build("s", {"name": name}, writing(size_bytes)).path

    return add


def names(store, places):
    """Return which of the named places are still there."""
    return {name for name, place in places.items() if place.exists()}


def test_what_was_used_longest_ago_goes_first(store, add):
    places = {name: add(name) for name in "abcde"}
    add("a")  # a hit
    gone = store.prune(36 * KIB)
    assert [entry.place for entry in gone] == [places["b"], places["c"]]
    assert names(store, places) == {"a", "d", "e"}


def test_a_hit_changes_the_time_of_use_and_not_a_byte(add):
    place = add("a")
    before = (place / ENTRY_FILE).stat(), (place / ENTRY_FILE).read_bytes()
    os.utime(place / ENTRY_FILE, ns=(5, 5))
    add("a")
    after = (place / ENTRY_FILE).stat(), (place / ENTRY_FILE).read_bytes()
    assert after[0].st_mtime_ns >= before[0].st_mtime_ns
    assert (after[0].st_ino, after[1]) == (before[0].st_ino, before[1])


def test_nothing_goes_that_fits(store, add):
    places = {name: add(name) for name in "abc"}
    assert store.prune(40 * KIB) == []
    assert names(store, places) == set("abc")


def test_building_keeps_the_store_under_its_limit(store, add):
    store.set_limit(100 * KIB)
    for number in range(40):
        add(f"n{number}")
        assert sum(entry.size_bytes for entry in stored_entries(store.root)) <= 100 * KIB


def test_building_evicts_the_oldest_and_keeps_the_newest(store, add):
    store.set_limit(100 * KIB)
    places = {number: add(str(number)) for number in range(40)}
    left = sorted(names(store, places))
    assert left == list(range(40 - len(left), 40))
    assert len(left) in (8, 9)


def test_what_is_larger_than_the_limit_is_still_built_and_usable(store):
    store.set_limit(10 * KIB)
    large = store.get_or_build("s", {"name": "large"}, writing(50 * KIB))
    assert (large.path / "f").stat().st_size == 50 * KIB


def test_a_pinned_entry_outlives_any_pressure(store, add, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    places = {name: add(name) for name in "abc"}
    store.pin(run, {places["a"].name})
    assert store.prune(1)
    assert names(store, places) == {"a"}


def test_a_pin_is_replaced_by_the_runs_next(store, add, tmp_path):
    (tmp_path / "run").mkdir()
    places = {name: add(name) for name in "ab"}
    store.pin(tmp_path / "run", {places["a"].name})
    store.pin(tmp_path / "run", {places["b"].name})
    store.prune(1)
    assert names(store, places) == {"b"}


def test_runs_pin_for_themselves_and_deleting_one_releases_only_its_own(store, add, tmp_path):
    places = {name: add(name) for name in "ab"}
    for name in "ab":
        (tmp_path / name).mkdir()
        store.pin(tmp_path / name, {places[name].name})
    (tmp_path / "a").rmdir()
    store.prune(1)
    assert names(store, places) == {"b"}
    assert pinned_keys(store.root) == {places["b"].name}
    assert len(list((store.root / "pins").iterdir())) == 1


def test_a_pin_survives_its_process_and_a_relative_path(store, add, tmp_path):
    (tmp_path / "run").mkdir()
    place = add("a")
    code = (
        "import pathlib, sys\nfrom evaluators.store import ArtifactStore\n"
        "ArtifactStore(pathlib.Path(sys.argv[1])).pin(pathlib.Path('run'), {sys.argv[2]})\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, str(store.root), place.name]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert store.prune(1) == []
    assert place.exists()


def test_an_entry_in_use_stays_until_it_is_let_go(store):
    entry = store.get_or_build("s", {"name": "a"}, writing(KIB))
    place = entry.path
    assert store.prune(1) == []
    found = read_entry(place)
    del entry
    assert store.prune(1) == []
    assert found.path.exists()
    del found
    assert [gone.place for gone in store.prune(1)] == [place]


def test_another_process_that_uses_an_entry_keeps_it_until_it_is_killed(store, add):
    place = add("a")
    code = (
        "import pathlib, sys, time\nfrom evaluators.store_entry import read_entry\n"
        "entry = read_entry(pathlib.Path(sys.argv[1]))\nprint('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(place)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "held\n"
        assert store.prune(1) == []
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert [gone.place for gone in store.prune(1)] == [place]


def test_an_entry_used_after_it_was_looked_at_stays(store, add, monkeypatch):
    place = add("a")
    seen = list(stored_entries(store.root))
    time.sleep(0.01)
    add("a")
    monkeypatch.setattr("evaluators.store_eviction.stored_entries", lambda _: seen)
    assert store.prune(1) == []
    assert place.exists()


def test_a_lock_says_whether_its_entry_was_built_anew_meanwhile(store, add):
    place = add("a")
    hold = shared_hold(place)
    assert hold.is_of(place)
    place.rename(store.root / "partial" / "moved")
    add("a")
    assert not hold.is_of(place)


def test_damaged_entries_go_first(store, add):
    places = {name: add(name) for name in "abc"}
    (places["c"] / ENTRY_FILE).unlink()
    gone = store.prune(sum(e.size_bytes for e in stored_entries(store.root)) - 1)
    assert [entry.place for entry in gone] == [places["c"]]


def test_the_limit_is_a_fifth_of_a_small_disk_until_it_is_set(small_disk):
    store = ArtifactStore(small_disk / "store")
    assert limit_bytes(store.root) == 16 * 2**20 // 5
    store.set_limit(5000)
    assert limit_bytes(ArtifactStore(small_disk / "store").root) == 5000


EVICTING = textwrap.dedent("""
    import pathlib, sys
    from evaluators import store_eviction
    from evaluators.store import ArtifactStore
    def slowly(path, **_):
        print("moved away", flush=True)
        import time
        time.sleep(60)
    store_eviction.shutil.rmtree = slowly
    ArtifactStore(pathlib.Path(sys.argv[1])).prune(1)
""")


def test_killed_while_it_evicts_nothing_half_is_left(store, add):
    places = [add(name) for name in "abc"]
    with subprocess.Popen(
        [sys.executable, "-c", EVICTING, str(store.root)], stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "moved away\n"
        child.kill()
        child.wait()
    assert not any(place.exists() for place in places)
    assert list((store.root / "partial").iterdir())
    again = ArtifactStore(store.root)
    assert not list((store.root / "partial").iterdir())
    assert not again.get_or_build("s", {"name": "a"}, writing(KIB)).was_found
