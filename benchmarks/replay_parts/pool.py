"""Replayed searches side by side: one for each CPU, each on one thread."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from evaluators.benchmark.cpus import usable_cpus


def pool_of_searches() -> ProcessPoolExecutor:
    """Return a pool whose processes do linear algebra on one thread.

    On every CPU in every process at once it spins: 53 instead of 14 CPU seconds for a search of 300
    trials, which count in virtual time. What is read when NumPy and torch are imported must be set
    before a process starts: an initializer comes too late.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    spawn = get_context("spawn")  # a fork of a process in which torch has threads hangs
    return ProcessPoolExecutor(len(usable_cpus()), spawn)
