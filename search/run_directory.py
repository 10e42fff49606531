"""The folder of a run, its lock, and the storage its study lives in.

::

    runs/coral/
        run.json      where the study is: storage and name
        run.lock      held by the one process that writes
        study.db      the default storage, SQLite
        artifacts/    links to the models of its trials
        front.csv  trials.csv  report.html  run.log
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
import sqlalchemy
from filelock import FileLock, Timeout
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from search.errors import UsageError
from search.records import Run
from search.study_attributes import RUN, run_of_study

SQLITE_TIMEOUT_S = 30.0
_POINTER = "run.json"
# SQLite has to write beside a database before it can read it.
_DISK_SIGNS = ("disk I/O error", "disk is full")


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """Paths of one run."""

    path: Path

    @property
    def log(self) -> Path:
        """What happened, one line an event, with times."""
        return self.path / "run.log"

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def artifacts(self) -> Path:
        """The folder that optuna-dashboard takes as its ``--artifact-dir``."""
        return self.path / "artifacts"

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the run for this process; the kernel lets go of it however the process ends.

        Raises:
            UsageError: If the folder or the storage can't be written, or another process holds it.
        """
        with self.clear_errors():
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / "run.lock", timeout=0)
            try:
                lock.acquire()
            except Timeout:
                raise UsageError(
                    f"{self.path} is being written by another process{self._owner()}. Wait for it, "
                    "stop it, or choose another folder with --run."
                ) from None
            try:
                (self.path / "run.pid").write_text(str(os.getpid()))
                yield
            finally:
                lock.release()

    @contextmanager
    def clear_errors(self) -> Iterator[None]:
        """Turn what a full or read-only disk does, or who else writes the study, into a message.

        Raises:
            UsageError: With it.
        """
        try:
            yield
        except (OSError, SQLAlchemyError, StorageInternalError) as error:
            raise UsageError(
                f"{self.path} can't be written: {_cause(error)}. Choose another folder with --run, "
                "or free space; every finished trial is kept, and the same command goes on."
            ) from error
        except UpdateFinishedTrialError as error:
            raise UsageError(
                f"Nobody else may end a trial of {self.path}, but another program ended the one "
                "under way, as 'Fail Trial' of optuna-dashboard does. Open its page for reading "
                "only; every finished trial is kept, and the same command goes on."
            ) from error

    def storage_url(self, wanted: str | None) -> str:
        """Return the storage of this run: the one it was begun with, else ``wanted``, else SQLite.

        Raises:
            UsageError: If the run already lives in another storage.
        """
        pointer = self._pointer()
        if not pointer:
            return wanted or self._default_storage
        kept = pointer.get("storage", self._default_storage)
        if wanted not in (None, kept):
            raise UsageError(
                f"--storage must be the one that {self.path} was begun with, but got "
                f"{_without_password(str(wanted))}. Leave it out, or choose another folder with "
                "--run."
            )
        return kept

    def check_study(self, name: str) -> None:
        """Make sure that this folder is new or holds the study of this name.

        Raises:
            UsageError: If it holds another.
        """
        kept = self._pointer().get("study", name)
        if kept != name:
            raise UsageError(
                f"--run must be a folder of {name!r}, but {self.path} holds a run of {kept!r}. "
                "Choose another folder with --run."
            )

    def remember(self, url: str, study_name: str) -> None:
        """Write down where the study is. The default storage moves along with its folder."""
        is_default = url == self._default_storage
        pointer = {"study": study_name} if is_default else {"storage": url, "study": study_name}
        if pointer != self._pointer():
            with self.clear_errors():  # in one step: a torn pointer would lock the run out
                partial = self.path / f"{_POINTER}.partial"
                partial.write_text(json.dumps(pointer))
                partial.replace(self.path / _POINTER)

    def load(self) -> Run:
        """Read the run as it stands; works while another process writes it.

        Raises:
            UsageError: If there is no run here, or it can't be read.
        """
        pointer = self._pointer()
        if "study" not in pointer:
            raise UsageError(
                f"--run must be the folder of a run, but {self.path} has no {_POINTER}. Start one "
                "with: python -m search run --space FILE --run DIR"
            )
        storage = open_storage(self.storage_url(None))
        try:
            study = optuna.load_study(study_name=pointer["study"], storage=storage)
        except KeyError:
            raise UsageError(f"{self.path} has no study {pointer['study']!r} in it.") from None
        if RUN not in study.user_attrs:
            raise UsageError(f"{self.path} was stopped before anything was measured. Run it again.")
        return run_of_study(study)

    @property
    def _default_storage(self) -> str:
        return f"sqlite:///{(self.path / 'study.db').absolute()}"

    def _pointer(self) -> dict[str, str]:
        path = self.path / _POINTER
        try:
            return dict(json.loads(path.read_text()))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise UsageError(f"{path} can't be read: {error}. Choose another --run.") from error

    def _owner(self) -> str:
        try:
            return f" (process {int((self.path / 'run.pid').read_text())})"
        except (OSError, ValueError):
            return ""


def open_storage(url: str) -> BaseStorage:
    """Open an Optuna storage.

    Raises:
        UsageError: If the URL or what lies behind it can't be used.
    """
    is_sqlite = url.startswith("sqlite")
    arguments = {"timeout": SQLITE_TIMEOUT_S} if is_sqlite else {}
    try:
        storage = RDBStorage(url, engine_kwargs={"connect_args": arguments})
        if is_sqlite:
            _write_ahead(storage)
    except (SQLAlchemyError, ImportError, ValueError, RuntimeError) as error:
        first_line = str(error).splitlines()[0]
        if is_sqlite and any(sign in first_line for sign in _DISK_SIGNS):
            raise UsageError(
                f"{sqlalchemy.make_url(url).database} can't be opened: its disk is full or broken "
                f"({_cause(error)}). Free space there; every finished trial is kept."
            ) from error
        raise UsageError(
            f"--storage must be a database that Optuna can open, but {_without_password(url)} "
            f"answers: {first_line}. Check the URL, or leave it out for SQLite."
        ) from error
    return storage


def _cause(error: BaseException) -> str:
    """Return the first line of what lies at the bottom of a chain of errors."""
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror} ({error.filename})" if error.filename else error.strerror
    return str(error).splitlines()[0]


def _write_ahead(storage: RDBStorage) -> None:
    """Use SQLite's write-ahead log, which makes a trial's dozen transactions ten times cheaper.

    A process killed at any moment loses nothing; a power cut may lose the last trial.
    """

    def configure(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    sqlalchemy.event.listen(storage.engine, "connect", configure)
    storage.engine.dispose()  # the connections opened so far


def _without_password(url: str) -> str:
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except SQLAlchemyError:
        return "it"
