"""PROCESSING.md: what an application does before the model and after it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reports.cells import number_text, printable


def processing(facts: Mapping[str, Any], notes: Mapping[str, str]) -> str:
    """Return the page for a bundle.json and the workload's own words."""
    engine = facts["engine"]
    flags = "\n".join(f"- {name}: `{value}`" for name, value in facts["flags"].items())
    if facts["power_mode"] is not None:
        flags += f"\n- power mode of the device: `{printable(facts['power_mode'])}`"
    return f"""# Before and after the model

## Before: the inputs

{_inputs(facts)}

Each is a batch of {facts["batch_size"]}, in the layout of the original model (images as NCHW), as
the workload's validation split yields it. Whatever the workload does to raw data (resizing,
scaling, normalisation, tokens) has to be done before. The ranges are those of the samples in
`check.npz`: see whether yours are alike.

`run.py` turns them into what the file itself takes: its own layout, and integers where it is
quantized (`prepare` of the session in `evaluators/engines/`). That isn't part of the latency, as an
application may hold its data in that form from the beginning.

## After: the outputs

{_outputs(facts)}

In the order of the original model, as float32 where the file answers in quantized integers.
{_metric(facts)}
{_score(notes["score"])}
## What the workload says of itself

From `{printable(str(facts["workload"]))}`:

{_quoted(notes["documentation"] or "nothing")}

## Without run.py

An application of your own, in any language, has to open `model/{facts["artifact"]}` with the same
settings, or it will run at another speed:

{flags}

`open` in `evaluators/engines/{engine}.py` shows what each means to the runtime. The measuring
process was pinned to as many CPUs as it has threads.
"""


def _inputs(facts: Mapping[str, Any]) -> str:
    return "\n".join(
        f"- `{printable(each['name'])}`: {each['dtype']} {tuple(each['shape'])}, "
        f"{number_text(each['least'])} to {number_text(each['most'])}"
        for each in facts["inputs"]
    )


def _outputs(facts: Mapping[str, Any]) -> str:
    return "\n".join(
        f"- `{each['name']}`: {each['dtype']} {tuple(each['shape'])}" for each in facts["outputs"]
    )


def _metric(facts: Mapping[str, Any]) -> str:
    name, direction = facts["metric"]["name"], facts["metric"]["direction"]
    better = "more" if direction == "maximize" else "less"
    return f"They are judged by {printable(name)}, of which {better} is better."


def _score(source: str) -> str:
    """Return the source as a block of code, with a fence that it doesn't hold itself."""
    if not source:
        return ""
    fence = "```"
    while fence in source:
        fence += "`"
    return f"""
The workload's own `score`, which it comes from:

{fence}python
{source.rstrip()}
{fence}
"""


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
