import os
import threading

import pytest

from evaluators.benchmark import cpus
from evaluators.benchmark.cpus import (
    Cpu,
    choose_cpus,
    rank_cpus,
    read_core_threads,
    read_cpus,
    usable_cpus,
)

CPU = "sys/devices/system/cpu/cpu{}/"


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def core(threads, speed=0, busy=()):
    """Return one core's CPUs, of which ``busy`` are in use by others."""
    shares = {number: float(number in busy) for number in threads}
    core_share = max(shares.values())
    return [Cpu(number, speed, tuple(threads), shares[number], core_share) for number in threads]


def tree(root, times, **files):
    """Write CPUs by number: what /proc/stat says, and files named by keyword as number: text."""
    stat = "".join("cpu{} {} 0 0 {} 0 0 0 0 0 0\n".format(n, *t) for n, t in times.items())
    write(root, "proc/stat", "cpu  0 0 0 0 0 0 0 0 0 0\n" + stat)
    for name, by_cpu in files.items():
        for number, text in by_cpu.items():
            write(root, CPU.format(number) + name.replace("__", "/"), f"{text}\n")


class Sleep:
    """While it sleeps, CPUs get busy and idle ticks."""

    def __init__(self, root, times):
        self.root, self.times, self.slept_s = root, times, 0.0

    def __call__(self, seconds):
        self.slept_s += seconds
        tree(self.root, self.times)


def test_equal_and_quiet_the_highest_come_first():
    assert rank_cpus([*core([0]), *core([1]), *core([2])]) == [2, 1, 0]


def test_a_hybrid_processor_with_hyper_threading():
    p_cores = [*core([0, 1], 5000), *core([2, 3], 5000)]
    e_cores = [*core([4], 3800), *core([5], 3800)]
    assert rank_cpus([*p_cores, *e_cores]) == [3, 1, 2, 0, 5, 4]


def test_siblings_numbered_far_apart_are_no_two_cores():
    cores = [*core([0, 4]), *core([1, 5]), *core([2, 6]), *core([3, 7])]
    assert rank_cpus(cores) == [7, 6, 5, 4, 3, 2, 1, 0]
    assert {number % 4 for number in rank_cpus(cores)[:4]} == {0, 1, 2, 3}


def test_three_speeds_as_on_a_phone():
    cores = [*core([0], 250), *core([1], 250), *core([2], 760), *core([3], 1024)]
    assert rank_cpus(cores) == [3, 2, 1, 0]


def test_favoured_cores_are_no_kind_of_their_own():
    cores = [*core([0], 5200), *core([1], 5000), *core([2], 4900), *core([3], 4800)]
    assert rank_cpus(cores) == [3, 2, 1, 0]


def test_speeds_that_sink_in_small_steps_do_not_chain_into_one_kind():
    cores = [*core([0], 1000), *core([1], 950), *core([2], 890)]
    assert rank_cpus(cores) == [1, 0, 2]


def test_a_busy_cpu_is_avoided():
    assert rank_cpus([*core([0]), *core([1]), *core([2], busy=[2])]) == [1, 0, 2]


def test_a_core_with_a_busy_sibling_is_avoided():
    assert rank_cpus([*core([0, 2]), *core([1, 3], busy=[1])]) == [2, 3, 0, 1]


def test_the_quiet_thread_of_a_core_comes_before_the_busy_one():
    assert rank_cpus(core([0, 1], busy=[1])) == [0, 1]


def test_a_busy_fast_core_comes_before_a_quiet_slow_one():
    assert rank_cpus([*core([0], 1024, busy=[0]), *core([1], 250)]) == [0, 1]


def test_every_cpu_is_ranked_once():
    cores = [*core([0, 4], 9, busy=[4]), *core([1, 5], 9), *core([2], 5), *core([3], 5, busy=[3])]
    assert sorted(rank_cpus(cores)) == [0, 1, 2, 3, 4, 5]


def test_capacity_is_the_speed(tmp_path):
    tree(tmp_path, {}, cpu_capacity={0: 446, 1: 1024}, cpufreq__cpuinfo_max_freq={0: 9, 1: 8})
    assert [cpu.speed for cpu in read_cpus([0, 1], str(tmp_path), Sleep(tmp_path, {}))] == [
        446,
        1024,
    ]


def test_the_frequency_is_the_speed_where_all_capacities_are_equal(tmp_path):
    """As on hybrid processors with hyper-threading."""
    capacity, frequency = {0: 1024, 1: 1024}, {0: 5000000, 1: 3800000}
    tree(tmp_path, {}, cpu_capacity=capacity, cpufreq__cpuinfo_max_freq=frequency)
    found = read_cpus([0, 1], str(tmp_path), Sleep(tmp_path, {}))
    assert [cpu.speed for cpu in found] == [5000000, 3800000]


def test_a_machine_that_tells_nothing_has_equal_quiet_cores(tmp_path):
    found = read_cpus([0, 3], str(tmp_path), lambda _: None)
    assert found == [Cpu(0, 0, (0,), 0.0, 0.0), Cpu(3, 0, (3,), 0.0, 0.0)]


def test_shares_are_of_the_time_between_the_two_looks(tmp_path):
    tree(tmp_path, {0: (500, 500), 1: (500, 500), 2: (0, 0)})
    sleep = Sleep(tmp_path, {0: (503, 507), 1: (500, 510), 2: (0, 0)})
    found = read_cpus([0, 1, 2], str(tmp_path), sleep)
    assert [cpu.busy_share for cpu in found] == pytest.approx([0.3, 0.0, 0.0])
    assert sleep.slept_s == cpus.LOOK_S


def test_a_sibling_that_this_process_may_not_use_counts_too(tmp_path):
    siblings = {0: "0,2", 2: "0,2"}
    tree(tmp_path, {0: (0, 0), 2: (0, 0)}, topology__thread_siblings_list=siblings)
    (found,) = read_cpus([0], str(tmp_path), Sleep(tmp_path, {0: (0, 10), 2: (8, 2)}))
    assert found == Cpu(0, 0, (0, 2), 0.0, pytest.approx(0.8))


@pytest.mark.parametrize("name", ["core_cpus_list", "thread_siblings_list"])
def test_threads_of_a_core_under_the_new_name_and_the_old(tmp_path, name):
    write(tmp_path, CPU.format(5) + "topology/" + name, "1,5\n")
    assert read_core_threads(5, str(tmp_path)) == (1, 5)


def test_the_chosen_are_sorted_and_the_best(tmp_path, monkeypatch):
    monkeypatch.setattr(cpus, "usable_cpus", lambda: [0, 1, 2, 3])
    tree(tmp_path, dict.fromkeys(range(4), (0, 0)))
    sleep = Sleep(tmp_path, {0: (0, 10), 1: (0, 10), 2: (9, 1), 3: (0, 10)})
    assert choose_cpus(2, str(tmp_path), sleep) == [1, 3]


@pytest.mark.parametrize(("count", "chosen"), [(0, [1]), (1, [1]), (2, [0, 1]), (9, [0, 1])])
def test_at_least_one_and_at_most_all(tmp_path, monkeypatch, count, chosen):
    monkeypatch.setattr(cpus, "usable_cpus", lambda: [0, 1])
    assert choose_cpus(count, str(tmp_path), lambda _: None) == chosen


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_this_machine_offers_cpus_that_can_be_pinned_to():
    chosen = choose_cpus(1)
    seen = []

    def pin():
        os.sched_setaffinity(0, chosen)  # of this thread alone
        seen.extend(usable_cpus())

    thread = threading.Thread(target=pin)
    thread.start()
    thread.join()
    assert len(chosen) == 1
    assert seen == chosen
