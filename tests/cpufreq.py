"""A fake tree of CPU clocks in the place of the kernel's own, for real processes to find.

Whoever is started by ``command`` sees it, and an empty ``/var/tmp``, through a mount namespace of
its own. Nothing else on the machine does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

CPUFREQ = Path("/sys/devices/system/cpu/cpufreq")
_MOUNT = f'mount --bind "$1" {CPUFREQ} && mount --bind "$2" /var/tmp && shift 2 && exec "$@"'


class FakeCpufreq:
    """Two clocks, governed by powersave, under ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "cpufreq"
        self._var_tmp = folder / "var_tmp"
        self._var_tmp.mkdir()
        for policy in ("policy0", "policy1"):
            place = self.root / policy
            place.mkdir(parents=True)
            (place / "scaling_governor").write_text("powersave\n")
            (place / "scaling_available_governors").write_text("performance powersave\n")

    @property
    def memory(self) -> Path:
        """The file that remembers what was in force."""
        return self._var_tmp / "edge-inference-search.power-mode"

    def governors(self) -> set[str]:
        """Return those that are in force."""
        return {file.read_text().strip() for file in self.root.glob("*/scaling_governor")}

    def set(self, governor: str) -> None:
        """Set one for all, as a person would."""
        for file in self.root.glob("*/scaling_governor"):
            file.write_text(f"{governor}\n")

    def is_as_it_was(self) -> bool:
        """Say whether powersave is in force and nothing is remembered."""
        return self.governors() == {"powersave"} and not self.memory.exists()

    def command(self, *program: object) -> list[str]:
        """Return how to run a program that finds the tree."""
        root = [] if os.geteuid() == 0 else ["--map-root-user"]
        places = [str(self.root), str(self._var_tmp)]
        shell = ["sh", "-c", _MOUNT, "sh", *places, *map(str, program)]
        return ["unshare", "--mount", *root, *shell]

    def why_not(self) -> str | None:
        """Return why nothing can be mounted here, or None where it can."""
        if shutil.which("unshare") is None or not CPUFREQ.is_dir():
            return f"needs unshare and {CPUFREQ}"
        done = subprocess.run(self.command("true"), capture_output=True, text=True, check=False)
        return done.stderr.strip() or None
