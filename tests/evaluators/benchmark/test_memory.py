import subprocess
import sys

from evaluators.benchmark.memory import peak_bytes, reset_peak

CODE = """
import numpy as np
from evaluators.benchmark.memory import peak_bytes, reset_peak
spent = np.ones(40 * 2**20, dtype=np.uint8)
del spent
reset_peak()
before = peak_bytes()
held = np.ones(64 * 2**20, dtype=np.uint8)
print((peak_bytes() - before) / 2**20)
"""


def test_the_peak_is_what_came_after_the_reset():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert 63.0 <= float(done.stdout) <= 66.0


def test_the_peak_never_falls_by_itself():
    assert reset_peak()
    before = peak_bytes()
    held = bytearray(16 * 2**20)
    del held
    assert peak_bytes() >= before + 15 * 2**20
