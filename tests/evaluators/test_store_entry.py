"""Every byte of an entry counts: whatever is changed, cut, added or swapped is built anew."""

import json
import random
import shutil

import pytest

from evaluators.store import ArtifactStore
from evaluators.store_entry import ENTRY_FILE, read_content, read_entry

SMALL = b"a model of some bytes"
LARGE = random.Random(0).randbytes(200_000)
FACTS = {"artifact": "model.bin", "metrics": {"ops": 12.5, "none": None}, "notes": ["said"]}


@pytest.fixture
def store(tmp_path):
    return ArtifactStore(tmp_path / "store")


def build(out_dir):
    (out_dir / "model.bin").write_bytes(SMALL)
    (out_dir / "weights.bin").write_bytes(LARGE)
    (out_dir / "empty").touch()
    return FACTS


@pytest.fixture
def place(store):
    return store.get_or_build("export", {"model": "a"}, build).path


@pytest.fixture
def expect_rebuilt(store, place):
    """Return a function that expects damage to be noticed, and the next lookup to mend it."""

    def expect():
        assert read_entry(place) is None
        mended = store.get_or_build("export", {"model": "a"}, build)
        assert not mended.was_found
        assert mended.path == place
        found = store.get_or_build("export", {"model": "a"}, build)
        assert found.was_found
        assert found.facts == FACTS
        assert (place / "model.bin").read_bytes() == SMALL
        assert (place / "weights.bin").read_bytes() == LARGE
        assert not list((store.root / "partial").iterdir())

    return expect


@pytest.mark.parametrize("name", ["model.bin", ENTRY_FILE])
def test_every_byte_of_a_small_file_counts(place, name):
    path = place / name
    intact = path.read_bytes()
    chosen = random.Random(1)
    for position in range(len(intact)):
        changed = bytearray(intact)
        changed[position] ^= chosen.randrange(1, 256)
        path.write_bytes(changed)
        assert read_entry(place) is None, f"byte {position} of {name}"
    path.write_bytes(intact)
    assert read_entry(place) is not None


def test_bytes_all_over_a_large_file_count(place):
    chosen = random.Random(2)
    positions = [0, len(LARGE) - 1, *(chosen.randrange(len(LARGE)) for _ in range(300))]
    with (place / "weights.bin").open("r+b") as file:
        for position in positions:
            file.seek(position)
            file.write(bytes([LARGE[position] ^ 1]))
            file.flush()
            assert read_entry(place) is None
            file.seek(position)
            file.write(LARGE[position : position + 1])
            file.flush()
    assert read_entry(place) is not None


def flipped(path):
    content = bytearray(path.read_bytes() or b"x")
    content[len(content) // 2] ^= 64
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1] if path.stat().st_size else b"more")


def emptied(path):
    path.write_bytes(b"" if path.stat().st_size else b"more")


def extended(path):
    with path.open("ab") as file:
        file.write(b" ")


def missing(path):
    path.unlink()


def a_folder(path):
    path.unlink()
    path.mkdir()


def a_full_folder(path):
    a_folder(path)
    (path / "inside").write_text("x")


def a_link_to_the_same(path):
    """Another name for the right content, which may change or go behind the store's back."""
    elsewhere = path.parents[4] / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


def a_dangling_link(path):
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES = [
    flipped, cut, emptied, extended, missing, a_folder, a_full_folder, a_link_to_the_same,
    a_dangling_link,
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["model.bin", "weights.bin", "empty", ENTRY_FILE])
def test_a_damaged_file_is_built_anew(place, expect_rebuilt, name, damage):
    damage(place / name)
    expect_rebuilt()


def a_file(place):
    shutil.rmtree(place)
    place.write_text("x")


def a_link(place):
    elsewhere = place.parents[3] / "elsewhere"
    place.rename(elsewhere)
    place.symlink_to(elsewhere)


def no_longer_there(place):
    shutil.rmtree(place)


def with_a_file_more(place):
    (place / "cache.bin").write_text("x")


@pytest.mark.parametrize("damage", [a_file, a_link, no_longer_there, with_a_file_more])
def test_a_damaged_folder_is_built_anew(place, expect_rebuilt, damage):
    damage(place)
    expect_rebuilt()


def test_an_entry_under_another_key_is_not_believed(store, place):
    other = store.get_or_build("export", {"model": "b"}, build).path
    shutil.rmtree(other)
    shutil.copytree(place, other)
    assert read_entry(other) is None


def test_facts_with_a_hash_made_up_for_them_are_still_not_anothers(place):
    document = json.loads((place / ENTRY_FILE).read_text())
    document["facts"]["artifact"] = "another.bin"
    (place / ENTRY_FILE).write_text(json.dumps(document))
    with pytest.raises(ValueError, match="has changed"):
        read_content(place)
