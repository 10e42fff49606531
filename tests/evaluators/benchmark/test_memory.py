import mmap
import subprocess
import sys

import pytest

from evaluators.benchmark.memory import UssPeak, peak_bytes, reset_peak, uss_bytes

pytestmark = pytest.mark.measures

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
    with mmap.mmap(-1, 16 * 2**20) as held:  # fresh pages: the heap may hold resident ones
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
    assert peak_bytes() >= before + 15 * 2**20


SMAPS = """00400000-7fff00000000 ---p 00000000 00:00 0    [rollup]
Rss:                9000 kB
Shared_Clean:       5000 kB
Private_Clean:      1000 kB
Private_Dirty:      {} kB
Private_Hugetlb:       0 kB
"""


def test_private_memory_is_what_no_other_process_shares(tmp_path):
    (tmp_path / "smaps_rollup").write_text(SMAPS.format(3000))
    assert uss_bytes(str(tmp_path)) == 4000 * 1024


def test_the_largest_private_memory_counts_however_it_falls_again(tmp_path):
    def write(kilobytes):
        partial = tmp_path / "partial"
        partial.write_text(SMAPS.format(kilobytes))
        partial.replace(tmp_path / "smaps_rollup")

    write(3000)
    peak = UssPeak(str(tmp_path))
    assert peak.start() == 4000 * 1024
    write(7000)
    while peak.seen_bytes != 8000 * 1024:  # the thread looks every two milliseconds
        pass
    write(2000)
    assert peak.stop() == 8000 * 1024


def test_where_the_kernel_tells_nothing_nothing_is_known(tmp_path):
    tmp_path = tmp_path / "absent"
    assert not reset_peak(str(tmp_path))
    assert peak_bytes(str(tmp_path)) is None
    peak = UssPeak(str(tmp_path))
    assert peak.start() is None
    assert peak.stop() is None


def test_both_ways_agree_on_what_a_process_takes():
    peak = UssPeak()
    before = peak.start()
    held = b"x" * (48 * 2**20)
    assert 47 * 2**20 <= peak.stop() - before <= 50 * 2**20
    del held
