"""The machine that figures come from."""

from __future__ import annotations

import os

from evaluators.benchmark.cpus import usable_cpus
from evaluators.benchmark.environment import cpu_model


def machine_facts() -> dict[str, str | int | float]:
    """Return what a file of figures says of the machine, flat."""
    return {
        "cpu_model": cpu_model(),
        "cpu_count": len(usable_cpus()),
        "load_1min": os.getloadavg()[0],
    }
