"""MODEL_CARD.md: what the model is, what was measured of it, and what nobody has measured.

References:
    Mitchell et al., "Model Cards for Model Reporting", FAccT 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reports.bundle.exported import ExportedTrial
from reports.cells import cell, interval_text, legend, param_text, printable, shown_interval, title
from reports.footnotes import metric_footnote, missing_baseline
from search.records import Run, TrialRecord
from spaces.objectives import OBJECTIVES, Objective

_UNCONFIRMED = (
    "Not confirmed: the best of many look better than they are. Confirm with `python -m search "
    "confirm --run DIR`, and export again."
)


def model_card(exported: ExportedTrial, facts: Mapping[str, Any]) -> str:
    """Return the page.

    Args:
        exported: The trial.
        facts: Its bundle.json.
    """
    run, record = exported.run, exported.record
    params = {printable(name): param_text(value) for name, value in record.params.items()}
    return f"""# {facts["title"]}

{_lines("> ", (printable(text) for text in run.facts.notices))}
## What it is

{_lines("- ", _details(exported, facts))}
## What was measured

{_table(run, record)}
{_lines("- ", _trust(exported, facts))}
## How it was made

{_lines("- ", _history(exported))}
Its parameters:

{_lines("- ", (f"{name}: {value}" for name, value in params.items()))}{_compiler(facts)}
## Does it still hold?

`python run.py --verify` checks every file, the outputs and the numbers on the device at hand; so
does `python -m search verify` where the program is installed. They hold for
{printable(run.facts.machine)} with the versions in `requirements.txt`. Another processor, clock,
cooling or version has other numbers.

## What isn't known

The program doesn't know what the model is for, whose data it was trained on, or its licence. Write
here: what it is to be used for, and what not; where the data comes from; for which groups and
conditions it was tested; who answers for it. Compression may cost some classes or groups more than
the mean shows: test those that matter.
"""


def _lines(mark: str, texts: Iterator[str]) -> str:
    return "".join(f"{mark}{text}\n" for text in texts)


def _details(exported: ExportedTrial, facts: Mapping[str, Any]) -> Iterator[str]:
    runtime, device = facts["runtime"], facts["device"]
    workload = printable(str(exported.workload))
    yield f"Trial {facts['trial']} of the run {printable(facts['run'])}, workload `{workload}`"
    yield f"File: `model/{facts['artifact']}`, SHA-256 `{facts['artifact_sha256']}`"
    version = f"{runtime['distribution']} {runtime['version']}"
    yield f"Engine: {facts['engine']} at {facts['precision']} (package {version})"
    machine = f"{device['machine']}, {device['environment']['cpu_count']} CPUs"
    system = device["environment"]["system"]
    yield f"Device: {printable(device['name'])}; measured on {printable(machine)}, {system}"
    yield f"Inputs and outputs: see `PROCESSING.md`; in batches of {facts['batch_size']}"


def _table(run: Run, record: TrialRecord) -> str:
    cells = {axis: cell(run, record, axis) for axis in _axes(run, record)}
    rows = ["| number | value | 95 % interval | against the baseline |", "|---|---|---|---|"]
    for axis, found in cells.items():
        value = f"{found.marked} {axis.unit}".strip() if found.value else found.mark
        interval = interval_text(shown_interval(record.quantities[axis.si_name], axis))
        rows.append(f"| {title(axis)} | {value} | {interval} | {found.comparison} |")
    notes = [f"`{mark}` {printable(text)}" for mark, text in legend(cells.values()).items()]
    notes.append(missing_baseline(run) or "`0.50x` half of the baseline's value")
    reference = metric_footnote(run)
    notes += [f"`-0.010` {reference}"] if reference else []
    return "\n".join([*rows, "", *(f"- {note}" for note in notes)])


def _axes(run: Run, record: TrialRecord) -> list[Objective]:
    metric = run.facts.metric
    name = f"test_{metric.si_name}"
    test = Objective(name, metric.direction, "", name)
    axes = dict.fromkeys([*OBJECTIVES.values(), metric, test])
    return [axis for axis in axes if axis.si_name in record.quantities]


def _trust(exported: ExportedTrial, facts: Mapping[str, Any]) -> Iterator[str]:
    record = exported.record
    count = facts["processes"]
    measured = f"Measured in {count} fresh process{'' if count == 1 else 'es'}."
    yield f"{measured} Intervals of latency and memory say where one more would see the same file."
    if not record.is_confirmed:
        yield _UNCONFIRMED
    for flag in record.flags:
        yield f"Disturbed while measured (`!`): {printable(flag)}"
    broken = ", ".join(name for name, over in record.violations.items() if over > 0)
    bounds = printable(", ".join(facts["constraints"]) or "none")
    kept = f"breaks {broken}" if broken else "keeps all"
    yield f"Constraints of the search: {bounds}. This model {kept}."


def _history(exported: ExportedTrial) -> Iterator[str]:
    candidate = exported.built.candidate
    if candidate.loses_channels:
        yield "Channels were removed, and the rest reconstructed on the calibration split."
    if candidate.has_pattern:
        yield (
            f"Weights were set to zero in the pattern {candidate.sparsity_pattern}, and the rest "
            "reconstructed on the calibration split."
        )
    if candidate.epochs:
        yield "It was fine-tuned on the training data, with the unpruned model as its teacher."
    if candidate.precision == "int8":
        yield "It was quantized on the calibration split."
    yield (
        "Validation data decided which trials to keep: where there is a figure of the test split, "
        "that is the one to quote."
    )


def _compiler(facts: Mapping[str, Any]) -> str:
    said = [f"{name}: {value:g}" for name, value in facts["engine_metrics"].items()]
    said += [printable(note) for note in facts["compiler_notes"]]
    return f"\nThe engine's compiler said:\n\n{_lines('- ', iter(said))}" if said else ""
