"""A disk that is soon full, a browser, and being nobody."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.browser import Browser

NOBODY = 65534


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Return a headless Chromium, for a test marked `tests.browser.needs_browser`."""
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.close()


@pytest.fixture
def small_disk(tmp_path):
    """Return the folder of a disk of 16 MiB."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"only who may mount can have a small disk: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def fill_disk():
    """Return a function that leaves no room on a folder's disk; deleting the file makes some."""

    def fill(folder):
        ballast = folder / "ballast"
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(2**16))
            except OSError:
                return ballast

    return fill


@pytest.fixture
def open_folder():
    """Return an empty folder that everybody may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def not_root():
    """Be nobody for the length of a test: root may read and write everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)
