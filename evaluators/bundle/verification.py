"""Is a bundle on this device what was measured? Its outputs, its latency and its memory.

The check inputs run in several fresh processes, as many different inputs in turn as when the record
was made. The median of each number is compared with the interval in which the record says that one
more fresh process lies with 95 %. Where nothing has changed, a median of three leaves it in one or
two cases of a hundred.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from evaluators.benchmark.attempts import RunJob, least_disturbed
from evaluators.benchmark.percentile import percentile
from evaluators.bundle.folder import Bundle, Recorded, read_check
from evaluators.bundle.model import EngineMissing
from evaluators.bundle.outputs import OutputVerdict, compare_outputs
from evaluators.failures import CandidateRejected, EvaluationFailure
from evaluators.framing import Message

PROCESSES = 3
VERIFIED, MOVED, DAMAGED, MISSING = 0, 1, 2, 3
"""Exit codes: as it was measured; moved or wrong; not a bundle; engine or device missing."""
_LATENCY = "latency_p"


class NumberVerdict(NamedTuple):
    """One number now, in the recorded one's unit; None where this device can't tell it."""

    recorded: Recorded
    now: Optional[float]

    @property
    def has_moved(self) -> bool:
        """Say whether it left the interval."""
        now, recorded = self.now, self.recorded
        return now is not None and not recorded.low <= now <= recorded.high

    @property
    def verdict(self) -> str:
        """Return what to make of it."""
        if self.now is None:
            return "not told by this device"
        if not self.has_moved:
            return "as measured"
        ratio = "{:.2f}x".format(self.now / self.recorded.value)
        return "MOVED: {} of what was measured".format(ratio)


class Verification(NamedTuple):
    """What came out.

    Attributes:
        title: Of the bundle.
        remarks: What is another now than when it was measured, and what disturbed.
    """

    title: str
    remarks: List[str]
    outputs: OutputVerdict
    numbers: List[NumberVerdict]

    @property
    def is_verified(self) -> bool:
        """Say whether the outputs are right and no number has moved."""
        return self.outputs.is_right and not any(number.has_moved for number in self.numbers)

    @property
    def exit_code(self) -> int:
        """Return `VERIFIED` or `MOVED`."""
        return VERIFIED if self.is_verified else MOVED

    def lines(self) -> List[str]:
        """Return everything for a person, the verdict last."""
        outputs = "" if self.outputs.is_right else "WRONG: "
        rows = [("", "measured", "interval", "now", "")]
        rows += [_row(number) for number in self.numbers]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        table = [
            "  ".join(
                [row[0].ljust(widths[0])]
                + [row[column].rjust(widths[column]) for column in (1, 2, 3)]
                + [row[4]]
            ).rstrip()
            for row in rows
        ]
        return [
            self.title,
            *("! " + remark for remark in self.remarks),
            "files: unchanged",
            "outputs: {}{}".format(outputs, self.outputs.text),
            *table,
            self._verdict(),
        ]

    def _verdict(self) -> str:
        moved = [number.recorded.name for number in self.numbers if number.has_moved]
        wrong = [] if self.outputs.is_right else ["its outputs are wrong"]
        if moved:
            wrong.append("{} moved beyond the interval".format(", ".join(moved)))
        if not wrong:
            return "verified: it answers, and runs, as it was measured"
        return (
            "NOT VERIFIED: {}. Look for another processor, version, clock or load; if it is to run "
            "like this, search again on such a device.".format("; ".join(wrong))
        )


def verify(bundle: Bundle, run: RunJob, processes: int = PROCESSES) -> Verification:
    """Run the check inputs of a bundle and compare outputs and numbers with the record.

    Args:
        bundle: Its files are checked already.
        run: Runs one job of the measuring process.
        processes: How many fresh ones.

    Raises:
        BundleDamaged: If the check inputs can't be read.
        EngineMissing: If it can't be run by the version of the engine that the device has.
        EvaluationFailure: If it can't be run there, by the version that it was measured with.
    """
    inputs, outputs = read_check(bundle)
    try:
        answers = _measured(bundle, inputs, run, processes)
    except CandidateRejected as failure:
        raise _blamed(bundle, run, failure) from failure
    return Verification(
        bundle.title,
        _remarks(bundle, run, answers),
        compare_outputs(outputs, answers[0].arrays[2:], bundle.outputs),
        [NumberVerdict(number, _median(number, answers)) for number in bundle.numbers],
    )


def _measured(
    bundle: Bundle, inputs: Sequence[np.ndarray], run: RunJob, processes: int
) -> List[Message]:
    """Return the answers of several fresh processes; the first has the outputs, too."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for position, array in enumerate(inputs):
            files.append(str(Path(folder) / "{}.npy".format(position)))
            np.save(files[-1], array, allow_pickle=False)
        return [
            least_disturbed(run, _job(bundle, files, with_answers=turn == 0))
            for turn in range(processes)
        ]


def _blamed(bundle: Bundle, run: RunJob, failure: CandidateRejected) -> Exception:
    """Return the failure, or what is missing where the device has another version of the engine."""
    there = str(run({"kind": "runtime", "engine": bundle.engine}).body["runtime_version"])
    if bundle.version in there:
        return failure
    return EngineMissing(
        "{dist} {version} ran it, and {there} can't: {reason} Install the former where it is to "
        "run: python -m pip install {dist}=={version}".format(
            dist=bundle.distribution, version=bundle.version, there=there, reason=failure.reason
        )
    )


def _job(bundle: Bundle, files: Sequence[str], *, with_answers: bool) -> Dict[str, Any]:
    return {
        "kind": "benchmark",
        "engine": bundle.engine,
        "precision": bundle.precision,
        "flags": bundle.flags,
        "compiled": str(bundle.model_folder),
        "artifact": bundle.artifact,
        "inputs": {"check": list(files)},
        "answer_splits": ["check"] if with_answers else [],
        "answers_within_s": None,
        "batch_size": bundle.batch_size,
        "timing": bundle.timing,
        "meter": None,
        "meter_program": [],
    }


def _median(number: Recorded, answers: Sequence[Message]) -> Optional[float]:
    """Return the median over the processes in the recorded unit, None where one can't tell it."""
    values = [_value(number.si_name, answer) for answer in answers]
    known = [value for value in values if value is not None]
    return None if len(known) < len(values) else float(np.median(known)) * number.per_si


def _value(si_name: str, answer: Message) -> Optional[float]:
    if si_name.startswith(_LATENCY):
        q = int(si_name[len(_LATENCY) :].partition("_")[0]) / 100
        return percentile(answer.arrays[0].tolist(), q)
    value = answer.body.get(si_name)
    return None if value is None else float(value)


def _remarks(bundle: Bundle, run: RunJob, answers: Sequence[Message]) -> List[str]:
    """Say what is another than when the bundle was measured, and what disturbed."""
    remarks = []
    machine = answers[0].body["environment"]["cpu_model"]
    if machine != bundle.machine:
        remarks.append(
            "It was measured on {}, and now on {}: numbers of two machines needn't agree.".format(
                bundle.machine, machine
            )
        )
    runtime = str(answers[0].body["runtime_version"])
    if bundle.version not in runtime:
        remarks.append(
            "It was measured with {} {}, and now with {}.".format(
                bundle.distribution, bundle.version, runtime
            )
        )
    remarks += _power_mode_remarks(bundle, run)
    if bundle.disturbances:
        remarks.append("Disturbed when it was measured: {}.".format("; ".join(bundle.disturbances)))
    disturbed = [reason for answer in answers for reason in answer.body["disturbance"]["reasons"]]
    if disturbed:
        remarks.append(
            "Disturbed while measuring: {}. Verify again when it is quiet.".format(
                "; ".join(dict.fromkeys(disturbed))
            )
        )
    return remarks


def _power_mode_remarks(bundle: Bundle, run: RunJob) -> List[str]:
    """Say where another power mode is in force on the device; verifying sets none."""
    if bundle.power_mode is None:
        return []
    try:
        now = run({"kind": "mode_now", "mode": bundle.power_mode}).body["now"]
    except EvaluationFailure as failure:
        now = "one that can't be asked for ({})".format(failure.reason.rstrip("."))
    if now == bundle.power_mode:
        return []
    return [
        "It was measured in the power mode {}, and here {} is in force: set the former, as "
        "verifying sets none.".format(bundle.power_mode, now or "another")
    ]


def _row(number: NumberVerdict) -> Tuple[str, str, str, str, str]:
    recorded = number.recorded
    now = "-" if number.now is None else "{:.4g}".format(number.now)
    interval = "{:.4g} to {:.4g}".format(recorded.low, recorded.high)
    value = "{:.4g}".format(recorded.value)
    return recorded.name, value, interval, now, number.verdict
