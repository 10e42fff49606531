from __future__ import annotations

import sys

import pytest

from evaluators.engines.tflite.compiler_process import run_compiler
from evaluators.failures import CandidateAborted


def run(code, timeout_s=30):
    return run_compiler("a compiler", [sys.executable, "-c", code], timeout_s)


def test_exit_code_and_all_that_was_printed_come_back():
    assert run("import sys; print('out'); print('err', file=sys.stderr, flush=True)")[0] == 0
    code, printed = run("import sys; print('no', flush=True); sys.exit('such op')")
    assert (code, printed.split()) == (1, ["no", "such", "op"])


def test_a_crash_is_minus_its_signal():
    assert run("import os; os.kill(os.getpid(), 11)")[0] == -11


def test_a_hang_is_ended():
    with pytest.raises(CandidateAborted, match=r"a compiler must answer within 0\.5 s, but gave"):
        run("import time; time.sleep(60)", 0.5)


def test_it_reads_nothing_of_ours():
    assert run("print(input())")[0] == 1
