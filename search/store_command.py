"""``python -m search store``: what lies in the store, and making it smaller."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from evaluators.failures import DiskFull
from evaluators.store import ArtifactStore, default_root
from evaluators.store_entry import read_content
from evaluators.store_eviction import StoredEntry, limit_bytes, pinned_keys, stored_entries
from search.errors import UsageError
from spaces.quantities import size_bytes

_MIB = 2**20
_T = TypeVar("_T")


@dataclass(slots=True)
class StageUsage:
    """What one stage has in the store.

    Attributes:
        pinned: Entries that a run's front or baseline needs.
        refusals: Entries that remember why a tool refused.
        unreadable: Entries that are damaged, or of an older version; a lookup rebuilds them.
    """

    entries: int = 0
    size_bytes: int = 0
    pinned: int = 0
    refusals: int = 0
    unreadable: int = 0

    def add(self, entry: StoredEntry, pinned: set[str]) -> None:
        """Count one more entry."""
        self.entries += 1
        self.size_bytes += entry.size_bytes
        self.pinned += entry.place.name in pinned
        try:
            self.refusals += read_content(entry.place).get("refusal") is not None
        except (OSError, ValueError):
            self.unreadable += 1


def manage_store(limit: str | None, prune: str | None, *, forget: bool) -> None:
    """Do what was asked for, and print what then lies in the store.

    Raises:
        UsageError: If a size is wrong, or the disk is full.
    """
    console = Console()
    limit_size = _size("--limit", limit)
    prune_size = _size("--prune", prune)
    store = _or_message(lambda: ArtifactStore(default_root() / "store"))
    if limit_size is not None:
        _or_message(lambda: store.set_limit(limit_size))
    wanted = [size for size in (limit_size, prune_size) if size is not None]
    if wanted:
        _say_removed(console, _or_message(lambda: store.prune(min(wanted))), "entries")
    if forget:
        _say_removed(console, _or_message(store.forget_refusals), "remembered refusals")
    print_store(console, store)


def print_store(console: Console, store: ArtifactStore) -> None:
    """Print where the store is, its limit, and what each stage has in it."""
    usage = usage_by_stage(store)
    total_bytes = sum(stage.size_bytes for stage in usage.values())
    console.print(f"store: {store.root}", markup=False, highlight=False, soft_wrap=True)
    limit_mib = limit_bytes(store.root) / _MIB
    console.print(f"size: {total_bytes / _MIB:,.0f} MiB of at most {limit_mib:,.0f} MiB")
    table = Table("stage", *_COLUMNS)
    for name, stage in usage.items():
        table.add_row(name, *(show(stage) for show in _COLUMNS.values()))
    console.print(table)


def usage_by_stage(store: ArtifactStore) -> dict[str, StageUsage]:
    """Return what each stage has in the store, by name."""
    pinned = pinned_keys(store.root)
    usage: defaultdict[str, StageUsage] = defaultdict(StageUsage)
    for entry in stored_entries(store.root):
        usage[entry.stage].add(entry, pinned)
    return dict(sorted(usage.items()))


_COLUMNS: dict[str, Callable[[StageUsage], str]] = {
    "entries": lambda stage: str(stage.entries),
    "MiB": lambda stage: f"{stage.size_bytes / _MIB:.1f}",
    "pinned": lambda stage: str(stage.pinned),
    "refusals": lambda stage: str(stage.refusals),
    "unreadable": lambda stage: str(stage.unreadable),
}


def _say_removed(console: Console, gone: Iterable[StoredEntry], what: str) -> None:
    sizes = [entry.size_bytes for entry in gone]
    console.print(f"removed: {len(sizes)} {what}, {sum(sizes) / _MIB:.1f} MiB")


def _size(option: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return size_bytes(text)
    except ValueError as error:
        raise UsageError(f"{option} {error}, but got {text!r}.") from error


def _or_message(work: Callable[[], _T]) -> _T:
    try:
        return work()
    except DiskFull as failure:
        raise UsageError(failure.reason) from failure
