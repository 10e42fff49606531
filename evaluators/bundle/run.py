"""Run the model of this folder. Needs NumPy and the engine's runtime (requirements.txt).

    python run.py                                     the check inputs against what was measured
    python run.py --inputs IN.npz --outputs OUT.npz   your samples, an array for each input
    python run.py --verify                            files, outputs, latency and memory

In a program of yours, with this folder on its path::

    from run import Model

    with Model() as model:
        outputs = model.run({"image": images})  # float32, as PROCESSING.md says
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent

if __name__ == "__main__":
    sys.dont_write_bytecode = True  # nothing is added to the folder, nor by the processes it starts
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
if str(FOLDER) not in sys.path:
    sys.path.insert(0, str(FOLDER))

from evaluators.bundle import model as _model  # noqa: E402
from evaluators.bundle.command import main  # noqa: E402


class Model(_model.Model):
    """The model of this folder, loaded."""

    def __init__(self) -> None:
        super().__init__(FOLDER)


if __name__ == "__main__":
    sys.exit(main(FOLDER))
