"""Which TensorRT is installed, and what its generation understands.

======================  ==========================================  ==============================
package                 precision                                   run by
======================  ==========================================  ==============================
tensorrt 8.2 to 8.4     builder flags, types of the file as hints   binding numbers, one list
tensorrt 8.5 to 9       the same                                    tensor names
tensorrt 10             types of the file; builder flags for a DLA  tensor names
tensorrt 11             types of the file                           tensor names
TensorRT for RTX 1      types of the file                           tensor names, kernels compiled
                                                                    when the engine is loaded
======================  ==========================================  ==============================

References:
    [1] NVIDIA, TensorRT release notes 8.2 to 11, and "Migrating from TensorRT 10.x to 11.x".
    [2] NVIDIA, TensorRT documentation 11.4, "Strongly Typed Networks for DLA".
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any, List, NamedTuple, Optional, Tuple

from evaluators.failures import CandidateRejected

PACKAGES = ("tensorrt", "tensorrt_rtx", "tensorrt_rtx_bindings")
"""Modules that are TensorRT, by preference; the last one is what the registry's wheels hold."""
_OLDEST = (8, 2)
_STRONGLY_TYPED, _ALWAYS_STRONGLY_TYPED = 10, 11


class Package(NamedTuple):
    """One imported TensorRT.

    Attributes:
        module: Its Python module.
        log: The logger that everything made by ``module`` writes to. ``log.errors`` are lines, and
            so is ``log.sparsity``: what a build says of sparse kernels.
    """

    module: Any
    log: Any
    is_rtx: bool
    version: Tuple[int, ...]

    @property
    def title(self) -> str:
        """Name and version for people."""
        name = "TensorRT for RTX" if self.is_rtx else "TensorRT"
        return "{} {}".format(name, ".".join(map(str, self.version)))

    def is_strongly_typed(self, *, on_dla: bool) -> bool:
        """Say whether precision comes from the file's types alone, without builder flags."""
        if self.is_rtx or self.version[0] >= _ALWAYS_STRONGLY_TYPED:
            return True
        return self.version[0] >= _STRONGLY_TYPED and not on_dla


def installed_package() -> Optional[str]:
    """Return the name of the TensorRT module that is here, without importing it."""
    for name in PACKAGES:
        if importlib.util.find_spec(name) is not None:
            return name
    return None


def is_rtx(name: Optional[str]) -> bool:
    """Say whether a module is TensorRT for RTX."""
    return name is not None and "rtx" in name


@functools.lru_cache(maxsize=None)
def load_package() -> Package:
    """Import TensorRT. One logger serves the whole process, because TensorRT keeps the first.

    Raises:
        ImportError: If none is installed.
        CandidateRejected: If it is older than 8.2.
    """
    name = installed_package()
    if name is None:
        raise ImportError("none of {} is installed".format(", ".join(PACKAGES)))
    module: Any = importlib.import_module(name)
    numbers = [part for part in str(module.__version__).split(".") if part.isdigit()]
    package = Package(module, _logger(module), is_rtx(name), tuple(map(int, numbers[:3])))
    if not package.is_rtx and package.version < _OLDEST:
        raise CandidateRejected(
            "TensorRT must be 8.2 or later, but is {}. Install a later JetPack, or package.".format(
                module.__version__
            )
        )
    return package


def _logger(module: Any) -> Any:
    class Log(module.ILogger):  # type: ignore[misc]
        """Keeps errors and sparsity, which TensorRT says nowhere else, and drops the rest."""

        def __init__(self) -> None:
            module.ILogger.__init__(self)
            self.errors: List[str] = []
            self.sparsity: List[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity.name in ("ERROR", "INTERNAL_ERROR"):
                self.errors.append(message)
            elif "(Sparsity)" in message:
                self.sparsity.append(message)

    return Log()
