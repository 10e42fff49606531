"""An environment with as little in it as a board has."""

from __future__ import annotations

import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def bare_environment(folder: Path, *distributions: str) -> Path:
    """Make an environment of some distributions and what they require; return its interpreter.

    Its packages are links to those that are installed here, so nothing is downloaded.
    """
    venv.create(folder, with_pip=False, symlinks=True)
    (site_packages,) = folder.glob("lib/python3*/site-packages")
    done, waiting = set(), list(distributions)
    while waiting:
        name = waiting.pop()
        if name in done:
            continue
        done.add(name)
        found = metadata.distribution(name)
        for top in {Path(file).parts[0] for file in found.files or () if ".." not in str(file)}:
            target = site_packages / top
            if not target.exists():
                target.symlink_to(found.locate_file(top))
        needs = map(Requirement, found.requires or ())
        waiting += [need.name for need in needs if not need.marker or need.marker.evaluate()]
    return folder / "bin" / "python"
