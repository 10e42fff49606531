import json
import platform

import numpy as np
import pytest

from evaluators.benchmark import environment
from evaluators.benchmark.environment import cpu_model, read_environment

CPUS = "sys/devices/system/cpu/"


@pytest.fixture(autouse=True)
def _four_cpus(monkeypatch):
    monkeypatch.setattr(environment, "usable_cpus", lambda: [0, 1, 2, 3])


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def test_a_machine_that_tells_nothing(tmp_path):
    facts = read_environment(str(tmp_path))
    unknown = {name for name, value in facts.items() if value is None}
    assert unknown == {
        "vnni",
        "smt",
        "turbo",
        "frequency_driver",
        "governor",
        "idle_driver",
        "frequency_khz",
        "temperature_millicelsius",
    }
    assert facts["python"] == platform.python_version()
    assert facts["numpy"] == np.__version__
    assert facts["cpu_count"] == facts["core_count"] == 4


def test_a_machine_that_tells_everything(tmp_path):
    for cpu, core in enumerate(("0,2", "1,3", "0,2", "1,3")):
        write(tmp_path, f"{CPUS}cpu{cpu}/topology/core_cpus_list", core)
    write(tmp_path, CPUS + "cpu0/cpufreq/scaling_driver", "intel_pstate")
    write(tmp_path, CPUS + "cpu0/cpufreq/scaling_governor", "powersave")
    write(tmp_path, CPUS + "cpu0/cpufreq/scaling_cur_freq", 2400000)
    write(tmp_path, CPUS + "cpuidle/current_driver", "intel_idle")
    write(tmp_path, CPUS + "smt/active", 1)
    write(tmp_path, "sys/class/thermal/thermal_zone0/temp", 45500)
    facts = read_environment(str(tmp_path))
    assert (facts["cpu_count"], facts["core_count"], facts["smt"]) == (4, 2, True)
    assert facts["frequency_driver"] == "intel_pstate"
    assert facts["governor"] == "powersave"
    assert facts["idle_driver"] == "intel_idle"
    assert facts["frequency_khz"] == 2400000
    assert facts["temperature_millicelsius"] == 45500


@pytest.mark.parametrize(
    ("path", "text", "turbo"),
    [
        ("intel_pstate/no_turbo", 0, True),
        ("intel_pstate/no_turbo", 1, False),
        ("cpufreq/boost", 0, False),
        ("cpufreq/boost", 1, True),
    ],
)
def test_turbo_under_both_of_its_names(tmp_path, path, text, turbo):
    write(tmp_path, CPUS + path, text)
    assert read_environment(str(tmp_path))["turbo"] is turbo


@pytest.mark.parametrize(
    ("line", "vnni"),
    [
        ("flags\t\t: fpu sse2 avx2 avx512_vnni", True),
        ("flags\t\t: fpu sse2 avx2 avx_vnni", True),
        ("flags\t\t: fpu sse2 avx2", False),
        ("Features\t: fp asimd asimddp", None),
    ],
)
def test_whether_x86_adds_int8_without_overflow(tmp_path, line, vnni):
    write(tmp_path, "proc/cpuinfo", f"processor\t: 0\n{line}")
    assert read_environment(str(tmp_path))["vnni"] is vnni


def test_a_board_is_named_before_its_processor(tmp_path):
    write(tmp_path, "proc/cpuinfo", "processor\t: 0\nmodel name\t: ARMv7 Processor rev 3 (v7l)")
    assert cpu_model(str(tmp_path)) == "ARMv7 Processor rev 3 (v7l)"
    (tmp_path / "proc/device-tree").mkdir()
    (tmp_path / "proc/device-tree/model").write_bytes(b"Raspberry Pi 4 Model B Rev 1.4\0")
    assert cpu_model(str(tmp_path)) == "Raspberry Pi 4 Model B Rev 1.4"


def test_a_kernel_that_names_no_processor_leaves_its_architecture(tmp_path):
    write(tmp_path, "proc/cpuinfo", "processor\t: 0\nBogoMIPS\t: 108.00")
    assert cpu_model(str(tmp_path)) == (platform.processor() or platform.machine())


def test_this_machine_s_facts_are_json():
    facts = read_environment()
    assert json.loads(json.dumps(facts)) == facts
