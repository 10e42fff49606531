"""``python run.py``: the command line that a bundle brings along."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np

from evaluators.bundle.folder import BundleDamaged, read_bundle, read_check
from evaluators.bundle.fresh_process import machine_to_itself, run_fresh
from evaluators.bundle.model import EngineMissing, Model, find_engine
from evaluators.bundle.outputs import compare_outputs
from evaluators.bundle.verification import DAMAGED, MISSING, MOVED, VERIFIED, verify
from evaluators.failures import DeviceLost, EvaluationFailure


def main(folder: Path, arguments: Optional[Sequence[str]] = None) -> int:
    """Do what was asked for, and return the exit code: 0 right, 1 not, 2 bad input, 3 missing."""
    options = _parser().parse_args(arguments)
    try:
        if options.verify:
            return _verify(folder)
        if options.inputs is None:
            return _check(folder)
        return _run(folder, options.inputs, options.outputs)
    except (BundleDamaged, ValueError, OSError) as error:
        return _fail(str(error), DAMAGED)
    except EngineMissing as error:
        return _fail(str(error), MISSING)
    except EvaluationFailure as failure:
        return _fail(failure.reason, MISSING if isinstance(failure, DeviceLost) else MOVED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="run.py",
        description="Run the model of this folder. Without arguments: answer the check inputs and "
        "compare with what was measured.",
    )
    parser.add_argument("--inputs", metavar="IN.npz", help="an array for each input, by its name")
    parser.add_argument(
        "--outputs",
        metavar="OUT.npz",
        default="outputs.npz",
        help="where the answers go, by the outputs' names (default: outputs.npz)",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="check every file, the outputs, latency and memory; exit code 1 if they have moved",
    )
    return parser


def _verify(folder: Path) -> int:
    bundle = read_bundle(folder)
    find_engine(bundle)
    with machine_to_itself(lambda text: _say([text])):
        found = verify(bundle, lambda job: run_fresh(folder, job))
    _say(found.lines())
    return found.exit_code


def _check(folder: Path) -> int:
    with Model(folder) as model:
        inputs, outputs = read_check(model.bundle)
        named = {each.name: array for each, array in zip(model.bundle.inputs, inputs)}
        found = compare_outputs(outputs, model.run(named), model.bundle.outputs)
        _say([model.bundle.title, "outputs: {}".format(found.text)])
    return VERIFIED if found.is_right else MOVED


def _run(folder: Path, inputs: str, outputs: str) -> int:
    with Model(folder) as model:
        with np.load(inputs, allow_pickle=False) as arrays:
            answers = model.run({name: arrays[name] for name in arrays.files})
        names = [each.name for each in model.bundle.outputs]
        named: Dict[str, Any] = dict(zip(names, answers))
        np.savez(outputs, **named)
        _say(["{}: {}".format(outputs, ", ".join(names))])
    return VERIFIED


def _say(lines: List[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")


def _fail(message: str, code: int) -> int:
    sys.stderr.write("error: {}\n".format(message))
    return code
