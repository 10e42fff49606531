"""Writing a bundle's folder, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evaluators.bundle.folder import (
    BUNDLE_FILE,
    CHECK_FILE,
    MODEL_FOLDER,
    SUMS_FILE,
    sha256_of,
    sums_text,
)
from evaluators.devices.local import WORKER
from evaluators.recipe import files_reached
from reports.bundle.card import model_card
from reports.bundle.exported import ExportedTrial
from reports.bundle.facts import bundle_facts
from reports.bundle.processing import processing
from reports.bundle.surroundings import dockerfile, requirements
from search.errors import UsageError

_ROOT = Path(__file__).resolve().parents[2]


def check_out(out: Path) -> None:
    """Make sure that a bundle can be written there before anything takes time.

    Raises:
        UsageError: If something is there already.
    """
    if out.exists() or out.is_symlink():
        raise UsageError(
            f"--out must be a folder that isn't there yet, but {out} is. Choose another, or remove "
            "it."
        )


def write_bundle(exported: ExportedTrial, out: Path) -> None:
    """Write everything beside ``out``, then put it in its place in one step.

    Raises:
        UsageError: If it can't be written; then nothing of it is left.
    """
    check_out(out)
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        _fill(exported, beside)
        (beside / SUMS_FILE).write_text(sums_of(beside), encoding="utf-8")
        beside.rename(out)
    except OSError as error:
        raise UsageError(
            f"{out} can't be written: {error.strerror or error}. Choose another --out, or free "
            "space."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def sums_of(folder: Path) -> str:
    """Return the text of SHA256SUMS for everything in a folder that is complete but for it."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != SUMS_FILE)
    return sums_text({path.relative_to(folder).as_posix(): sha256_of(path) for path in files})


def _fill(exported: ExportedTrial, folder: Path) -> None:
    facts = bundle_facts(exported)
    texts = {
        BUNDLE_FILE: json.dumps(facts, indent=2) + "\n",
        "requirements.txt": requirements(facts),
        "Dockerfile": dockerfile(facts),
        "PROCESSING.md": processing(facts, dict(exported.notes)),
        "MODEL_CARD.md": model_card(exported, facts),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", errors="replace", newline="\n")
    _copy_model(exported, folder / MODEL_FOLDER)
    _copy_code(exported.record.engine, folder)
    named: dict[str, Any] = {
        f"input_{i}": array for i, array in enumerate(exported.inputs.values())
    }
    named |= {f"output_{i}": array for i, array in enumerate(exported.outputs)}
    np.savez_compressed(folder / CHECK_FILE, **named)


def _copy_model(exported: ExportedTrial, folder: Path) -> None:
    """Copy the files of the compile stage, all of which the engine may open, and check them.

    Raises:
        OSError: If one isn't what was measured any more.
    """
    folder.mkdir()
    for name, sha256 in exported.built.compiled.files.items():
        shutil.copyfile(exported.built.compiled.path / name, folder / name)
        if sha256_of(folder / name) != sha256:
            raise OSError(f"{name} changed while it was copied")


def _copy_code(engine: str, folder: Path) -> None:
    for file in code_of(engine):
        target = folder / file.relative_to(_ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    shutil.copyfile(_ROOT / "evaluators/bundle/run.py", folder / "run.py")


def code_of(engine: str) -> list[Path]:
    """Return the modules that run, measure and verify a model on one engine, sorted."""
    reached = files_reached("evaluators.bundle.command", WORKER, f"evaluators.engines.{engine}")
    return sorted({*reached, *(p for file in reached for p in _packages_above(file))})


def _packages_above(file: Path) -> Iterator[Path]:
    for folder in file.parents:
        if folder == _ROOT:
            return
        yield folder / "__init__.py"
