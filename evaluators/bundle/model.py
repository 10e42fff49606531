"""The model of a bundle in this process, opened by the very code that measured it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import List, Mapping, Optional, Type

import numpy as np

from evaluators.benchmark.accuracy import collect_outputs
from evaluators.bundle.folder import Bundle, Tensor, read_bundle
from evaluators.engines import engine_names, load_engine
from evaluators.engines.engine import Engine


class EngineMissing(RuntimeError):
    """What runs the model isn't here; the text says what would add it."""


class Model:
    """A loaded model; every byte of its bundle is checked first.

    Example:
        ``with Model(folder) as model: outputs = model.run({"image": images})``

    Args:
        folder: The bundle.

    Raises:
        BundleDamaged: If it isn't as it was exported.
        EngineMissing: If the engine's runtime isn't installed.
        EvaluationFailure: If the engine can't load the model here.
    """

    def __init__(self, folder: Path) -> None:
        self.bundle = read_bundle(folder)
        engine = find_engine(self.bundle)
        engine.load_runtime()
        self._session = engine.open(
            self.bundle.model_folder,
            self.bundle.artifact,
            self.bundle.precision,
            self.bundle.flags,
        )

    def run(self, inputs: Mapping[str, np.ndarray]) -> List[np.ndarray]:
        """Answer samples, in batches as the model was compiled for.

        Args:
            inputs: By name, each of shape (n, ...); see PROCESSING.md.

        Returns:
            The outputs in the model's order, each of shape (n, ...).

        Raises:
            ValueError: If an input is missing or has another shape or type.
        """
        arrays = [_checked(inputs, each.name, each.shape, each.dtype) for each in self.inputs]
        unknown = sorted(set(inputs) - {each.name for each in self.inputs})
        if unknown or len({len(array) for array in arrays}) != 1:
            raise ValueError(
                "inputs must be {}, as many samples of each, but got {}.".format(
                    ", ".join(each.name for each in self.inputs),
                    {name: np.shape(array) for name, array in inputs.items()},
                )
            )
        return collect_outputs(self._session, arrays, self.bundle.batch_size)

    @property
    def inputs(self) -> List[Tensor]:
        """Return what `run` takes."""
        return self.bundle.inputs

    def close(self) -> None:
        """Free everything. Calling it twice is fine."""
        self._session.close()

    def __enter__(self) -> Model:  # noqa: PYI034  3.7 has no Self
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()


def engine_of(bundle: Bundle) -> Engine:
    """Return the engine of a bundle; its runtime may be elsewhere.

    Raises:
        EngineMissing: If its code isn't here.
    """
    if bundle.engine not in engine_names():
        raise EngineMissing(
            "{} needs the engine {}, which isn't here; there is {}.".format(
                bundle.folder, bundle.engine, ", ".join(engine_names())
            )
        )
    return load_engine(bundle.engine)


def find_engine(bundle: Bundle) -> Engine:
    """Return the engine of a bundle, whose runtime is here.

    Raises:
        EngineMissing: If its code or its runtime isn't here.
    """
    engine = engine_of(bundle)
    lacks = engine.missing()
    if lacks is not None:
        raise EngineMissing(
            "{} needs {}. Add what it was measured with: python -m pip install --requirement "
            "{}".format(bundle.engine, lacks.what, bundle.folder / "requirements.txt")
        )
    return engine


def _checked(inputs: Mapping[str, np.ndarray], name: str, shape: tuple, dtype: str) -> np.ndarray:
    if name not in inputs:
        raise ValueError(
            "inputs must have {!r}, but got {}.".format(name, ", ".join(sorted(inputs)) or "none")
        )
    array = np.asarray(inputs[name])
    if array.shape[1:] != shape[1:] or str(array.dtype) != dtype or not len(array):
        raise ValueError(
            "{} must be {} of shape (n, {}), but is {} of shape {}. See PROCESSING.md.".format(
                name, dtype, ", ".join(map(str, shape[1:])), array.dtype, array.shape
            )
        )
    return array
