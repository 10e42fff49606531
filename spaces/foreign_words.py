"""Words that other tools use for what a space file says, and ours for each.

Optuna says low, high, choices and n_trials; Hyperopt q; Ray Tune num_samples; Weights & Biases
sweeps parameters, values and distribution.
"""

from __future__ import annotations

_LIST = "Write the list itself: [a, b]."
_BARE = "Write the bare value itself."
_TRIALS = "Write budget: {trials: 30}."
_SPARSITY = "Write search: {sparsity: {min: 0, max: 0.8}}."

_RANGE_WORDS = {
    "low": "Write min instead of low.",
    "lower": "Write min instead of lower.",
    "minimum": "Write min instead of minimum.",
    "start": "Write min instead of start.",
    "high": "Write max instead of high.",
    "upper": "Write max instead of upper.",
    "maximum": "Write max instead of maximum.",
    "stop": "Write max instead of stop; it is included.",
    "end": "Write max instead of end; it is included.",
    "q": "Write step instead of q.",
    "choices": _LIST,
    "values": _LIST,
    "options": _LIST,
    "categories": _LIST,
    "value": _BARE,
    "distribution": "Leave it out; log: true makes a range logarithmic.",
    "type": "Leave it out; the values themselves tell, and log: true makes a range logarithmic.",
}
_SECTION_WORDS = {
    "n_trials": _TRIALS,
    "num_trials": _TRIALS,
    "num_samples": _TRIALS,
    "max_trials": _TRIALS,
    "time_budget_s": "Write budget: {timeout: 8h}.",
    "directions": "Leave it out; every objective knows its direction.",
    "direction": "Leave it out; every objective knows its direction.",
    "metrics": "Write objectives: [latency_p90_ms, accuracy].",
    "metric": "Write objectives: [latency_p90_ms, accuracy].",
    "parameters": "Write search instead.",
    "search_space": "Write search instead.",
    "hyperparameters": "Write search instead.",
    "model": "Write workload: file.py:Class.",
    "target": "Write device: {name: ..., engines: [...]}.",
    "hardware": "Write device: {name: ..., engines: [...]}.",
    "backend": "Write engines: [...].",
    "backends": "Write engines: [...].",
    "pruning_ratio": _SPARSITY,
    "prune_rate": _SPARSITY,
    "dtype": "Write precision: [fp32, int8].",
    "bits": "Write precision: [fp32, int8].",
    "seed": "Give it to the command: run --seed 1.",
    "storage": "Give it to the command: run --storage URL.",
    "study_name": "Write name instead.",
}


def is_range_word(word: str) -> bool:
    """Say whether another tool would describe a range or a choice with ``word``."""
    return word in _RANGE_WORDS


def remedy_for_foreign_word(word: str, *, range_only: bool = False) -> str | None:
    """Return what to write instead of another tool's word, or None where it is nobody's."""
    if word in _RANGE_WORDS:
        return _RANGE_WORDS[word]
    return None if range_only else _SECTION_WORDS.get(word)
