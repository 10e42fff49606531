"""How a device is reached: this machine itself, or over SSH; several boards are one device."""

from __future__ import annotations

import re
from dataclasses import dataclass

BOARD_PATTERN = r"^ssh://.+$"
CONNECT_PATTERN = r"^(local|ssh://.+)$"

# A user or host never begins with a dash: `ssh` would take it for an option.
_SSH = re.compile(
    r"ssh://(?:(?P<user>\w[\w.-]*)@)?(?P<host>\w[\w.-]*|\[[\da-fA-F:]+\])(?::(?P<port>\d{1,5}))?/?"
)
_PASSWORD = re.compile(r"ssh://[^@/]*:[^@/]*@.*")


@dataclass(frozen=True, slots=True)
class Ssh:
    """A device behind SSH; ``user`` and ``port`` are None where SSH's own settings decide."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        """Return the address as a space file has it."""
        user = "" if self.user is None else f"{self.user}@"
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port is None else f":{self.port}"
        return f"ssh://{user}{host}{port}"


def connection_from_text(raw: object) -> Ssh | None:
    """Return where a device is; None is this machine.

    Raises:
        ValueError: If it is neither; the text is the rule alone.
    """
    if raw == "local":
        return None
    if isinstance(raw, str) and _PASSWORD.fullmatch(raw):
        raise ValueError("must not hold a password, which SSH keys replace")
    found = _SSH.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or (found["port"] and not 0 < int(found["port"]) < 2**16):
        raise ValueError("must be local or ssh://user@host[:port]")
    return Ssh(found["host"].strip("[]"), found["user"], int(found["port"] or 0) or None)


def boards_from_text(raw: object) -> tuple[Ssh, ...]:
    """Return the boards that a device consists of; none, where it is this machine.

    Raises:
        ValueError: If it is neither a connection nor a list of boards; the text is the rule alone.
    """
    if not isinstance(raw, list):
        alone = connection_from_text(raw)
        return () if alone is None else (alone,)
    boards = [connection_from_text(each) for each in raw]
    if not boards or None in boards:
        raise ValueError("must list boards as ssh://user@host[:port]")
    if len(set(boards)) < len(boards):
        raise ValueError("must list each board once")
    return tuple(board for board in boards if board is not None)
