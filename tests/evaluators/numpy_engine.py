"""A plain engine whose memory is known: a multilayer perceptron in NumPy, weights from one .npy.

It isn't in ``evaluators/engines/``, because nobody ships it. As a program it is the measuring
process with this one engine more::

    python -m tests.evaluators.numpy_engine
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from evaluators.engines.engine import Compiled, Engine, Session
from evaluators.flag import Flag, FlagValue

WEIGHTS_FILE = "weights.npy"
WIDTH = 256
LAYER_BYTES = WIDTH * WIDTH * 4


def write_weights(folder: Path, size_bytes: int) -> None:
    """Write as many layers of (WIDTH, WIDTH) float32 as ``size_bytes`` hold."""
    layers = size_bytes // LAYER_BYTES
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((layers, WIDTH, WIDTH), dtype=np.float32)
    np.save(folder / WEIGHTS_FILE, weights * np.float32(np.sqrt(2 / WIDTH)))


class NumpySession(Session):
    """The weights in memory; every inference reads all of them."""

    def __init__(self, path: Path) -> None:
        self._weights: np.ndarray | None = np.load(path, allow_pickle=False)

    def prepare(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Return copies."""
        return [np.array(array, order="C") for array in inputs]

    def infer(self, prepared: list[np.ndarray]) -> list[np.ndarray]:
        """Run one batch of shape (batch, WIDTH)."""
        assert self._weights is not None
        signal = prepared[0]
        for layer in self._weights:
            signal = np.maximum(signal @ layer, 0)
        return [signal]

    def decode(self, raw: list[np.ndarray]) -> list[np.ndarray]:
        """Return copies."""
        return [np.array(array) for array in raw]

    def close(self) -> None:
        """Drop the weights."""
        self._weights = None


class NumpyEngine(Engine):
    """Runs the portable file as it is, on one thread."""

    name = "numpy_engine"
    forms: Mapping[str, str] = {"fp32": "npy"}
    distribution = "numpy"
    module = "numpy"
    extra = "all"

    def flags(self, cpu_count: int) -> Mapping[str, Flag]:
        """Return ``threads``, which is always 1."""
        return {"threads": Flag((1,), 1, "CPU threads.")}

    def load_runtime(self) -> str:
        """Return NumPy's version; it is imported already."""
        return str(np.__version__)

    def start_accelerator(self, flags: Mapping[str, FlagValue]) -> None:
        """Take as much memory as the flag says, as a GPU's libraries would."""
        self._accelerator = np.ones(int(flags.get("accelerator_mib", 0)) * 2**20, np.uint8)

    def compile(
        self, model: Path, precision: str, flags: Mapping[str, FlagValue], out_dir: Path
    ) -> Compiled:
        """Copy the weights."""
        shutil.copyfile(model / WEIGHTS_FILE, out_dir / WEIGHTS_FILE)
        return Compiled(WEIGHTS_FILE, {}, [])

    def open(
        self, compiled: Path, artifact: str, precision: str, flags: Mapping[str, FlagValue]
    ) -> Session:
        """Read the weights into memory."""
        return NumpySession(compiled / artifact)


ENGINE = NumpyEngine()


def main() -> None:
    """Serve as the measuring process does; engines are looked for in this file's folder, too."""
    import evaluators.engines
    from evaluators.benchmark import worker
    from evaluators.service import serve

    evaluators.engines.__path__.append(str(Path(__file__).parent))
    serve(worker.handle)


if __name__ == "__main__":
    main()
