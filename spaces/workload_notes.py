"""What a person wrote about their workload, for whoever uses the model without it."""

from __future__ import annotations

import inspect
import textwrap

from spaces.workload import Workload


def workload_notes(workload: Workload) -> dict[str, str]:
    """Return the class's own ``documentation`` and its ``score`` method's source, or nothing."""
    kind = type(workload)
    try:
        score = textwrap.dedent(inspect.getsource(kind.score))
    except (OSError, TypeError):  # no source file, or a callable that has none
        score = ""
    own = vars(kind).get("__doc__")  # not what it inherits from ours
    return {"documentation": inspect.cleandoc(own) if own else "", "score": score}
