"""What every method of the live comparison is given: the space, a trained teacher, its data.

::

    folder/prepared/teachers/          the teacher's weights
    folder/prepared/model.onnx         the teacher as ONNX, for Olive
    folder/prepared/validation_images.npy, ...
    folder/<method>/                   a cache of the method's own: empty but for the teacher
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.fidelity_parts.artifacts import child_environment
from evaluators.export.onnx_from_torch import export_onnx
from evaluators.store import ROOT_VARIABLE
from search.assembly import describe_workload, make_builder
from search.events import ignore
from spaces.load import load_space
from spaces.load_workload import load_workload
from spaces.schema import Space

SPACE_FILE = Path(__file__).parents[1] / "spaces" / "live.yaml"
SPLITS = ("calibration", "validation")


@dataclass(frozen=True, slots=True)
class Setting:
    """One live comparison.

    Attributes:
        seconds: Wall time of each method.
        overrides: What is changed in the space file.
    """

    folder: Path
    seconds: int
    seed: int
    overrides: tuple[str, ...]

    @property
    def prepared(self) -> Path:
        """Return where the teacher and its data lie."""
        return self.folder / "prepared"

    def space(self) -> Space:
        """Return what is searched."""
        return load_space(SPACE_FILE, self.overrides)

    def cache_of(self, method: str) -> Path:
        """Return a new cache with nothing in it but the teacher."""
        root = self.folder / method
        shutil.copytree(self.prepared / "teachers", root / "teachers")
        return root


def prepare(folder: Path, seconds: int, seed: int, overrides: Sequence[str]) -> Setting:
    """Train the teacher and write what Olive needs; none of it is timed."""
    setting = Setting(folder, seconds, seed, tuple(overrides))
    space = setting.space()
    with surroundings(setting.prepared), closing(make_builder(space, ignore)) as builder:
        describe_workload(builder, ignore)
    assert isinstance(space.workload, str)
    workload = load_workload(space.workload, space.folder.resolve(), setting.prepared / "teachers")
    model = workload.model()
    export_onnx(model, workload.example_inputs(), setting.prepared)
    for split in SPLITS:
        batches = list(getattr(workload, f"{split}_batches")())
        for name, arrays in (
            ("images", [inputs["image"] for inputs, _ in batches]),
            ("labels", [labels for _, labels in batches]),
        ):
            np.save(setting.prepared / f"{split}_{name}.npy", np.concatenate(arrays))
    return setting


@contextmanager
def surroundings(root: Path) -> Iterator[None]:
    """Let this process and its children keep what they build under ``root``, and import this."""
    wanted = {ROOT_VARIABLE: str(root), **child_environment()}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
