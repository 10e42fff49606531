"""Writing a file so that a reader, or a kill, never meets half of it."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, text: str) -> None:
    """Write text beside ``path``, then put it in its place; on an error the old file stays.

    Raises:
        OSError: If the disk is full or the folder can't be written.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        # The surrogates of an undecodable file name can't be written; a question mark can.
        beside.write_text(text, encoding="utf-8", errors="replace", newline="")
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
