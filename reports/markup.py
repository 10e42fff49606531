"""HTML of what a person or a tool brought along: text, data for scripts, commands to copy."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from html import escape
from pathlib import Path

from reports.cells import printable
from search.records import Run


def escaped(text: str) -> str:
    """Return text that can stand anywhere in the page, in an attribute too."""
    return escape(printable(text))


def json_script(data: object, name: str = "") -> str:
    """Return a script element that holds data, where no text can end it."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    place = f' id="{name}"' if name else ""
    return f'<script type="application/json"{place}>{text}</script>'


def export_words(run: Run, folder: Path, number: int | str) -> list[str]:
    """Return the words of the command that exports a trial into a folder named after it."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", run.facts.name).strip("-.") or "run"
    words = ["python", "-m", "search", "export", "--run", printable(str(folder))]
    return [*words, "--trial", str(number), "--out", f"{name}-trial-{number}"]


def copyable(words: Sequence[str]) -> str:
    """Return a command with a button that copies it; without scripts it is text to select."""
    code = f"<code>{escaped(shlex.join(words))}</code>"
    return f'<span class="command">{code}{copy_button(words)}</span>'


def copy_button(words: Sequence[str], trial: str = "") -> str:
    """Return a button that copies a command, named for screen readers after its trial."""
    label = f' aria-label="Copy the command that exports trial {trial}"' if trial else ""
    return f'<button type="button" data-copy="{escaped(shlex.join(words))}"{label}>Copy</button>'


def scrollable(name: str, content: str) -> str:
    """Return what may be wider than the screen, as a region that keys can scroll, too."""
    named = f'role="region" aria-label="{escaped(name)}" tabindex="0"'
    return f'<div class="scroll" {named}>{content}</div>'
