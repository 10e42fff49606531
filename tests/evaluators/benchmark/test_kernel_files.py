import os

import pytest

from evaluators.benchmark.kernel_files import (
    CpuTimes,
    parse_cpu_list,
    read_cpu_times,
    read_integer,
    read_text,
    read_waited_s,
)


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_a_value_comes_without_the_line_end(tmp_path):
    write(tmp_path, "governor", "performance\n")
    assert read_text(str(tmp_path / "governor")) == "performance"


def test_an_absent_file_is_none(tmp_path):
    assert read_text(str(tmp_path / "absent")) is None
    assert read_integer(str(tmp_path / "absent")) is None


@pytest.mark.parametrize(("text", "value"), [("42\n", 42), ("-5\n", -5), ("", None), ("n/a", None)])
def test_an_integer_or_none(tmp_path, text, value):
    write(tmp_path, "value", text)
    assert read_integer(str(tmp_path / "value")) == value


@pytest.mark.parametrize(
    ("text", "numbers"), [("0", [0]), ("0-2,8", [0, 1, 2, 8]), ("3,11", [3, 11]), ("", [])]
)
def test_lists_of_cpus(text, numbers):
    assert parse_cpu_list(text) == numbers


def test_cpu_times_in_seconds(tmp_path):
    stat = (
        "cpu  3000 0 0 0 0 0 0 0 0 0\n"
        "cpu0 1000 200 300 4000 50 6 7 80 900 100\n"
        "cpu11 1 0 0 2 0 0 0 0 0 0\n"
        "intr 12345 0 0\n"
        "ctxt 99\n"
    )
    write(tmp_path, "proc/stat", stat)
    times = read_cpu_times(str(tmp_path))
    # Guests (900 and 100) are contained in user and nice, so they aren't added again.
    assert times[0] == pytest.approx(CpuTimes(busy_s=15.93, steal_s=0.8, idle_s=40.5))
    assert times[11] == pytest.approx(CpuTimes(busy_s=0.01, steal_s=0.0, idle_s=0.02))
    assert set(times) == {0, 11}


def test_no_proc_stat_is_no_cpu_times(tmp_path):
    assert read_cpu_times(str(tmp_path)) == {}


def test_a_tick_is_what_this_kernel_says():
    assert os.sysconf("SC_CLK_TCK") == 100


def test_the_waiting_of_all_threads_is_added(tmp_path):
    write(tmp_path, "proc/self/task/7/schedstat", "900000000 250000000 12\n")
    write(tmp_path, "proc/self/task/8/schedstat", "100 500000000 3\n")
    assert read_waited_s(str(tmp_path)) == pytest.approx(0.75)


@pytest.mark.parametrize("files", [{}, {"proc/self/task/7/schedstat": "0 0 0\n"}])
def test_a_kernel_that_does_not_count_waiting(tmp_path, files):
    for path, text in files.items():
        write(tmp_path, path, text)
    assert read_waited_s(str(tmp_path)) is None
