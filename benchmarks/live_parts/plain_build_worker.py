"""The program's build worker as it would be without reconstruction: prune, then fine-tune.

What was pruned is left as it is, and fine-tuned at the rate that suits that. Everything else is the
program's own, so the comparison is of nothing but this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import nn

from evaluators.build_worker import handle
from evaluators.compress import dense_targets, distill, reconstruct
from evaluators.compress.reconstruct import ReconstructReport
from evaluators.service import serve


def leave_as_pruned(
    _student: nn.Module, _dense: None, kept_channels: Mapping[str, Sequence[int]]
) -> ReconstructReport:
    """Stand in for `evaluators.compress.reconstruct.reconstruct`, and change nothing."""
    return ReconstructReport({}, dict.fromkeys(kept_channels, "plain fine-tuning"), 0)


def no_targets(*_: object, **__: object) -> None:
    """Stand in for `evaluators.compress.dense_targets.dense_targets`, and compute nothing."""


if __name__ == "__main__":
    # The worker imports these when it needs them, in this process alone.
    vars(reconstruct)["reconstruct"] = leave_as_pruned
    vars(dense_targets)["dense_targets"] = no_targets
    vars(distill)["reconstructed_learning_rate"] = distill.pruned_learning_rate
    serve(handle)
