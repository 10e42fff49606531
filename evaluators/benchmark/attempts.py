"""Repeating what other work or throttling disturbed; the least disturbed attempt counts.

This file runs on the device too: Python 3.7, standard library and NumPy only.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, List, Mapping

from evaluators.framing import Message

ATTEMPTS = 3
"""How often a disturbed measurement is tried in all."""

RunJob = Callable[[Dict[str, Any]], Message]
"""Runs one job of `evaluators.benchmark.worker` in a fresh process, and returns its answer."""


def least_disturbed(run: RunJob, job: Mapping[str, Any], attempts: int = ATTEMPTS) -> Message:
    """Run a benchmark job until nothing disturbs it; after the last attempt the best one counts.

    Where the kernel keeps no high-water mark, one more process looks at memory.

    Raises:
        EvaluationFailure: What the worker reported, or how it ended.
    """
    answers: List[Message] = []
    while len(answers) < attempts:
        answers.append(run(dict(job)))
        if not answers[-1].body["disturbance"]["reasons"]:
            break
    best = min(answers, key=_disturbance)
    best.body["memory_method"] = "VmHWM"
    if best.body["peak_memory_bytes"] is None:
        best.body.update(run({**job, "kind": "memory"}).body)
        best.body["memory_method"] = "private memory (USS), polled in a separate pass,"
    return best


def _disturbance(answer: Message) -> float:
    return float(answer.body["disturbance"]["severity"])
