"""Verifying a bundle with the program's own device: its lock, its limits, a fresh process a job."""

from __future__ import annotations

from pathlib import Path

import psutil

from evaluators.bundle.folder import BundleDamaged, read_bundle
from evaluators.bundle.model import EngineMissing, find_engine
from evaluators.bundle.verification import Verification, verify
from evaluators.child_process import Limits
from evaluators.devices.local import LocalDevice
from evaluators.failures import DeviceLost, DiskFull, EvaluationFailure
from search.errors import CannotRun, MissingError, UsageError

_STAGE_TIMEOUT_S = 600.0
_SHARE_OF_MEMORY = 0.75


def verify_bundle(folder: Path) -> Verification:
    """Check a bundle's files, then its outputs, latency and memory on this machine.

    Nothing in the bundle is executed but its model: the code is this program's own.

    Raises:
        UsageError: If it isn't a bundle as it was exported.
        MissingError: If its engine or device isn't here.
        CannotRun: If the engine can't run it here.
    """
    try:
        bundle = read_bundle(folder.absolute())
        find_engine(bundle)
        memory_bytes = int(psutil.virtual_memory().total * _SHARE_OF_MEMORY)
        device = LocalDevice(bundle.title, Limits(_STAGE_TIMEOUT_S, memory_bytes))
        with device.quiet():
            return verify(bundle, device.run)
    except BundleDamaged as error:
        raise UsageError(str(error)) from error
    except EngineMissing as error:
        raise MissingError(str(error)) from error
    except DeviceLost as failure:
        raise MissingError(failure.reason) from failure
    except DiskFull as failure:
        raise UsageError(failure.reason) from failure
    except EvaluationFailure as failure:
        raise CannotRun(f"{bundle.engine} can't run it here: {failure.reason}") from failure
