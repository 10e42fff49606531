"""``python -m search store`` as a person types it."""

import pytest

from evaluators.failures import CandidateRejected
from evaluators.store import ArtifactStore
from evaluators.store_entry import ENTRY_FILE
from search.store_command import usage_by_stage

MIB = 2**20


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_INFERENCE_SEARCH_CACHE", str(tmp_path / "cache"))
    return ArtifactStore(tmp_path / "cache" / "store")


def refuse(_):
    raise CandidateRejected("op FOO is not supported.")


@pytest.fixture
def filled(store, tmp_path):
    """Return a store of three models of 1 MiB, one of them pinned, a refusal and some damage."""
    for name in ("old", "front", "new"):
        entry = store.get_or_build("compile", {"name": name}, one_mib)
        if name == "front":
            store.pin(tmp_path, {entry.key})
    with pytest.raises(CandidateRejected, match="op FOO"):
        store.get_or_build("export", {"name": "refused"}, refuse)
    (store.get_or_build("export", {"name": "damaged"}, one_mib).path / ENTRY_FILE).write_text("{")
    return store


def one_mib(out_dir):
    (out_dir / "model.bin").write_bytes(bytes(MIB))
    return {}


def row(printed, stage):
    """Return a row of the printed table as words."""
    (line,) = [line for line in printed.splitlines() if f" {stage} " in line]
    return [cell.strip() for cell in line.strip("│┃ ").split("│")]


def test_usage_is_counted_by_stage(filled):
    usage = usage_by_stage(filled)
    assert list(usage) == ["compile", "export"]
    compiled, exported = usage.values()
    assert (compiled.entries, compiled.pinned, compiled.refusals) == (3, 1, 0)
    assert 3 * MIB < compiled.size_bytes < 3 * MIB + 3000
    assert (exported.entries, exported.refusals, exported.unreadable) == (2, 1, 1)


def test_the_store_is_shown(filled, run_cli):
    done = run_cli("store")
    assert done.returncode == 0, done.stderr
    assert f"store: {filled.root}" in done.stdout
    assert row(done.stdout, "compile") == ["compile", "3", "3.0", "1", "0", "0"]
    assert row(done.stdout, "export") == ["export", "2", "1.0", "0", "1", "1"]


def test_pruning_keeps_what_is_pinned(filled, run_cli):
    done = run_cli("store", "--prune", "1KiB")
    assert done.returncode == 0, done.stderr
    assert "removed: 4 entries, 3.0 MiB" in done.stdout
    assert row(done.stdout, "compile") == ["compile", "1", "1.0", "1", "0", "0"]


def test_a_limit_is_kept_and_takes_effect_at_once(filled, run_cli):
    done = run_cli("store", "--limit", "3MiB")
    assert "removed: 2 entries, 2.0 MiB" in done.stdout
    assert "of at most 3 MiB" in run_cli("store").stdout


def test_refusals_can_be_forgotten(filled, run_cli):
    done = run_cli("store", "--forget")
    assert "removed: 1 remembered refusals" in done.stdout
    assert not filled.get_or_build("export", {"name": "refused"}, one_mib).was_found


@pytest.mark.parametrize("option", ["--limit", "--prune"])
@pytest.mark.parametrize("size", ["3", "-1GiB", "0GiB", "much"])
def test_a_size_that_is_none_is_refused(store, run_cli, option, size):
    done = run_cli("store", f"{option}={size}")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {option} must be a size with its unit")
    assert "Traceback" not in done.stderr
