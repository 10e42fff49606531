"""A stand-in ``edgetpu_compiler``: prints what the real one was seen to print, compiles nothing.

``install`` puts an executable on PATH that plays one log per call, the last one over and over.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

VERSION = "Edge TPU Compiler version 16.0.384591198"

SUCCESS = f"""{VERSION}
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 1354 ms.

Input model: model.tflite
Input size: 5.10MiB
Output model: model_edgetpu.tflite
Output size: 6.28MiB
On-chip memory used for caching model parameters: 6.03MiB
On-chip memory remaining for caching model parameters: 74.00KiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 14
Operation log: model_edgetpu.log

Operator                       Count      Status

ADD                            3          Mapped to Edge TPU
CONV_2D                        10         Mapped to Edge TPU
FULLY_CONNECTED                1          Mapped to Edge TPU
Compilation child process completed within timeout period.
Compilation succeeded!
"""

PARTIAL = f"""{VERSION}
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 2270 ms.

Input model: model.tflite
Input size: 46.29MiB
Output model: model_edgetpu.tflite
Output size: 47.24MiB
On-chip memory used for caching model parameters: 5.99MiB
On-chip memory remaining for caching model parameters: 0.00B
Off-chip memory used for streaming uncached model parameters: 15.73MiB
Number of Edge TPU subgraphs: 1
Total number of operations: 7
Operation log: model_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of \
the model will instead run on the CPU, which is slower. If possible, consider updating your model \
to use only operations supported by the Edge TPU. For details, visit g.co/coral/model-reqs.
Number of operations that will run on Edge TPU: 4
Number of operations that will run on CPU: 3

Operator                       Count      Status

DEQUANTIZE                     1          Operation is working on an unsupported data type
CONV_2D                        4          Mapped to Edge TPU
CONCATENATION                  2          More than one subgraph is not supported
Compilation child process completed within timeout period.
Compilation succeeded!
"""

FAILURE = f"""{VERSION}
Started a compilation timeout timer of 180 seconds.
Internal compiler error. Aborting!
"""

CRASH = "crash"

_SCRIPT = """#!{python}
import json, os, pathlib, shutil, subprocess, sys, time
here = pathlib.Path(__file__).parent
calls = here / "calls"
count = len(calls.read_text().splitlines()) if calls.exists() else 0
with calls.open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + chr(10))
logs = json.loads((here / "logs.json").read_text())
log = logs[min(count, len(logs) - 1)]
if log is None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    (here / "forked").write_text(str(child.pid))
    time.sleep(600)
if log == "crash":
    os.kill(os.getpid(), 11)
print(log)
if "Internal compiler error" in log:
    sys.exit(1)
out_dir = pathlib.Path(sys.argv[sys.argv.index("--out_dir") + 1])
shutil.copyfile(sys.argv[-1], out_dir / "model_edgetpu.tflite")
"""


def install(monkeypatch, folder: Path, *logs: str | None) -> Path:
    """Put it first on PATH; None among the logs is a hang with a forked child."""
    (folder / "logs.json").write_text(json.dumps(logs))
    program = folder / "edgetpu_compiler"
    program.write_text(_SCRIPT.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return program


def calls(program: Path) -> list[list[str]]:
    return [json.loads(line) for line in (program.parent / "calls").read_text().splitlines()]
