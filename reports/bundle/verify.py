"""Verifying a bundle with the program's own device: its lock, its limits, a fresh process a job.

The device is this machine or a board behind SSH. The bundle's files are checked here, go to the
board by their SHA-256 like any artifact, and one and the same code gives the verdict.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from evaluators.benchmark.survey import EngineFound
from evaluators.bundle.folder import Bundle, BundleDamaged, read_bundle
from evaluators.bundle.model import EngineMissing, engine_of
from evaluators.bundle.verification import Verification, verify
from evaluators.devices.device import Device
from evaluators.devices.recovery import Recovery, RecoveryPlan
from evaluators.failures import DeviceLost, EvaluationFailure
from search.errors import CannotRun, MissingError, UsageError
from search.retries import Retries
from search.target import allow_share_of_memory, device_at, look_at

_STAGE_TIMEOUT_S = 600.0
_RECOVERY = RecoveryPlan(wait_s=60.0)
"""Somebody waits for the verdict, and nobody said how to reset the device."""


def verify_bundle(
    folder: Path, connect: str | None, python: str, say: Callable[[str], None]
) -> Verification:
    """Check a bundle's files, then its outputs, latency and memory on a device.

    Nothing in the bundle is executed but its model: the code is this program's own.

    Args:
        folder: The bundle.
        connect: ``ssh://user@host[:port]`` of a board; None is this machine.
        python: The board's interpreter.
        say: Told what a person should know while nothing moves.

    Raises:
        UsageError: If it isn't a bundle as it was exported, or ``connect`` is no address.
        MissingError: If its engine or device isn't there, or the board can't be reached.
        CannotRun: If the engine can't run it there.
    """
    try:
        bundle = read_bundle(folder.absolute())
        engine_of(bundle)
        with closing(device_at(connect, python, _STAGE_TIMEOUT_S)) as device:
            device.say = say
            found = look_at(device, "command")  # of all meters it takes the least time to look at
            _require_runtime(bundle, found.engines[bundle.engine], device.name, python)
            allow_share_of_memory(device, found)
            recovery = Recovery(device, _RECOVERY, say)
            retries = Retries(recovery, remedy="Verify it again once that is mended.")
            return retries.run(partial(_measure_again, bundle, device))
    except BundleDamaged as error:
        raise UsageError(str(error)) from error
    except EngineMissing as error:
        raise MissingError(str(error)) from error
    except DeviceLost as failure:
        raise MissingError(failure.reason) from failure
    except EvaluationFailure as failure:
        where = "here" if connect is None else "there"
        raise CannotRun(f"{bundle.engine} can't run it {where}: {failure.reason}") from failure


def _measure_again(bundle: Bundle, device: Device) -> Verification:
    with device.quiet():
        return verify(bundle, device.run)


def _require_runtime(bundle: Bundle, there: EngineFound, where: str, python: str) -> None:
    """Make sure that a device has the bundle's engine.

    Raises:
        EngineMissing: If not, with what adds it.
    """
    if there.missing is None:
        return
    remedy = there.missing.remedy
    if engine_of(bundle).is_from_pip:
        remedy = f"{python} -m pip install {bundle.distribution}=={bundle.version}"
    raise EngineMissing(
        f"{bundle.engine} on {where} needs {there.missing.what}. Add what it was measured with: "
        f"{remedy}"
    )
