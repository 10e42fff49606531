"""The first words to a board: one line of Python, which puts the zipapp there and becomes it.

It runs on whatever Python 3 the board has, so that one that is too old can say so.
"""

from __future__ import annotations

from evaluators.devices.worker_archive import WorkerArchive

OLDEST_PYTHON = (3, 7)
MARK = "edge-inference-search:"
"""What it says is a line that begins with this: a shell may have printed something before."""

_BOOTSTRAP = r"""
import hashlib, json, os, sys, time
def say(**facts):
    os.write(1, ("\n" + MARK + json.dumps(facts) + "\n").encode())
def sha256_of(content):
    return hashlib.sha256(content).hexdigest()
def has(path):
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        return sha256_of(file.read()) == SHA256
def receive(path):
    parts, left = [], SIZE
    while left:
        part = os.read(0, min(left, 1 << 20))
        if not part:
            sys.exit(1)
        parts.append(part)
        left -= len(part)
    content = b"".join(parts)
    if sha256_of(content) != SHA256:
        sys.exit("the program arrived damaged")
    coming = "%s.%d" % (path, os.getpid())
    with open(coming, "wb") as file:
        file.write(content)
    os.rename(coming, path)
def remove_old(root):
    for name in os.listdir(root):
        path = os.path.join(root, name)
        try:
            if name.startswith("worker-") and os.stat(path).st_mtime < time.time() - 7 * 86400:
                os.unlink(path)
        except FileNotFoundError:  # another host was quicker
            pass
version = ".".join(map(str, sys.version_info[:3]))
if sys.version_info < OLDEST:
    say(python=version, is_old=True)
    sys.exit(0)
home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
root = os.path.join(home, "edge-inference-search", "board")
try:
    os.makedirs(root, mode=0o700, exist_ok=True)
    path = os.path.join(root, "worker-" + SHA256 + ".pyz")
    is_here = has(path)
    say(python=version, is_here=is_here)
    if not is_here:
        receive(path)
    os.utime(path)
    remove_old(root)
except OSError as error:
    sys.exit("%s can't be written: %s" % (root, error))
os.execv(sys.executable, [sys.executable, path])
"""


def bootstrap_line(archive: WorkerArchive) -> bytes:
    """Return the line: it says ``MARK {"python", "is_here"}``, or ``{"python", "is_old"}``.

    Where the archive isn't there, its bytes must follow the line.
    """
    facts = (MARK, archive.sha256, len(archive.content), OLDEST_PYTHON)
    code = f"MARK, SHA256, SIZE, OLDEST = {facts!r}\n{_BOOTSTRAP}"
    return f"exec({code!r})\n".encode()
