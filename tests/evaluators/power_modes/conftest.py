"""A machine to set: a fake tree of clocks, and stand-ins for NVIDIA's two programs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from evaluators.power_modes.setting import Place
from tests.evaluators.power_modes.standins import JETSON_CLOCKS, NVPMODEL

POLICIES = ("policy0", "policy4")
CONF = """\
# POWER_MODEL DEFINITIONS
< POWER_MODEL ID=0 NAME=15W >
CPU_ONLINE CORE_1 1
< POWER_MODEL ID=1 NAME=7W >
< POWER_MODEL ID=2 NAME=MAXN_SUPER >
< PM_CONFIG DEFAULT=0 >
"""
CLOCKS = {"scaling_min_freq": 729600, "scaling_max_freq": 1510400}


class Machine:
    """Fake files of a machine, under a folder that everybody may enter."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.cpufreq = root / "cpufreq"
        self.place = Place(
            cpufreq=str(self.cpufreq),
            nvpmodel_conf=str(root / "nvpmodel.conf"),
            boot_id=str(root / "boot_id"),
            memory=str(root / "memory"),
        )
        (root / "boot_id").write_text("first\n")
        for policy in POLICIES:
            folder = self.cpufreq / policy
            folder.mkdir(parents=True)
            (folder / "scaling_governor").write_text("schedutil\n")
            lists = "performance schedutil powersave" + " ondemand" * (policy == "policy0")
            (folder / "scaling_available_governors").write_text(f"{lists}\n")
            for name, value in CLOCKS.items():
                (folder / name).write_text(f"{value}\n")

    @property
    def memory(self) -> Path:
        """The file that remembers."""
        return self.root / "memory"

    def governors(self) -> list[str]:
        """Return the governor of each policy."""
        return [self.file(policy).read_text().strip() for policy in POLICIES]

    def file(self, policy: str, name: str = "scaling_governor") -> Path:
        return self.cpufreq / policy / name

    def reboot(self) -> None:
        (self.root / "boot_id").write_text("second\n")


@pytest.fixture
def machine(open_folder):
    """Return a machine of two clocks, governed by schedutil."""
    return Machine(open_folder)


@pytest.fixture
def jetson(machine, monkeypatch):
    """Make it a Jetson in its mode 15W, which only this test's PATH shows."""
    folder = machine.root / "bin"
    folder.mkdir()
    (machine.root / "nvpmodel.conf").write_text(CONF)
    (machine.root / "nvpmodel.now").write_text("0\n")
    for name, text in {"nvpmodel": NVPMODEL, "jetson_clocks": JETSON_CLOCKS}.items():
        program = folder / name
        program.write_text(f"#!{sys.executable}\nROOT = {str(machine.root)!r}\n{text}")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return machine
