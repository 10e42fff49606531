import pytest

from evaluators.benchmark.slowdown import (
    Conditions,
    cooling_in_use,
    firmware_flags,
    firmware_flags_since_boot,
    read_conditions,
    read_hottest_millicelsius,
    reasons,
    throttle_events,
)

pytestmark = pytest.mark.measures

CPU = "sys/devices/system/cpu/cpu{}/"
PI_4 = "sys/devices/platform/soc/soc:firmware/get_throttled"
PI_5 = "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
NOTHING = Conditions({}, None, None, None, None)


def write(root, path, text):
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{text}\n")


def throttled(root, counts):
    """Write counts by CPU: (package, core, its core's events, its package's events)."""
    for cpu, (package, core, core_events, package_events) in counts.items():
        folder = CPU.format(cpu)
        write(root, folder + "topology/physical_package_id", package)
        write(root, folder + "topology/core_id", core)
        write(root, folder + "thermal_throttle/core_throttle_count", core_events)
        write(root, folder + "thermal_throttle/package_throttle_count", package_events)
    return read_conditions([0], str(root))


def cooling_device(root, number, kind, state):
    write(root, f"sys/class/thermal/cooling_device{number}/type", kind)
    write(root, f"sys/class/thermal/cooling_device{number}/cur_state", state)


def with_word(word):
    return NOTHING._replace(firmware_word=word)


def test_a_machine_that_tells_nothing(tmp_path):
    assert read_conditions([0, 1], str(tmp_path)) == NOTHING
    assert throttle_events(NOTHING, NOTHING) is None
    assert firmware_flags(NOTHING, NOTHING) is None
    assert firmware_flags_since_boot(NOTHING) is None
    assert cooling_in_use(NOTHING, NOTHING) is None
    assert reasons(None, None, None) == []


def test_each_core_and_each_package_counts_once(tmp_path):
    before = throttled(
        tmp_path, {0: (0, 0, 5, 9), 1: (0, 0, 5, 9), 2: (0, 1, 0, 9), 3: (1, 0, 0, 0)}
    )
    # Core 0 of package 0 by 2, seen by both of its threads; package 0 by 3, which CPU 2 saw once
    # less; the other package's core 0 by 1.
    after = throttled(
        tmp_path, {0: (0, 0, 7, 12), 1: (0, 0, 7, 12), 2: (0, 1, 0, 11), 3: (1, 0, 1, 0)}
    )
    assert throttle_events(before, after) == 2 + 3 + 1


def test_no_event_is_zero_where_events_are_counted(tmp_path):
    conditions = throttled(tmp_path, {0: (0, 0, 5, 9)})
    assert throttle_events(conditions, conditions) == 0


def test_what_a_cpu_counted_before_it_came_online_is_not_of_this_time(tmp_path):
    before = throttled(tmp_path, {0: (0, 0, 5, 9)})
    after = throttled(tmp_path, {1: (0, 1, 5, 9)})
    assert throttle_events(before, after) == 0


@pytest.mark.parametrize("path", [PI_4, PI_5])
@pytest.mark.parametrize("text", ["50005", "0x50005"])
def test_the_word_of_a_raspberry_pi_is_hexadecimal(tmp_path, path, text):
    write(tmp_path, path, text)
    assert read_conditions([0], str(tmp_path)).firmware_word == 0x50005


@pytest.mark.parametrize("alarm", [0, 1])
def test_the_voltage_alarm_where_the_kernel_has_no_word(tmp_path, alarm):
    write(tmp_path, "sys/class/hwmon/hwmon0/name", "cpu_thermal")
    write(tmp_path, "sys/class/hwmon/hwmon1/name", "rpi_volt")
    write(tmp_path, "sys/class/hwmon/hwmon1/in0_lcrit_alarm", alarm)
    conditions = read_conditions([0], str(tmp_path))
    assert firmware_flags(conditions, conditions) == ["under-voltage"] * alarm


@pytest.mark.parametrize(
    ("before", "after", "flags"),
    [
        (0x0, 0x0, []),
        (0x0, 0x5, ["under-voltage", "throttled"]),
        (0x2, 0x20000, ["frequency capped"]),
        (0x0, 0x80000, ["soft temperature limit"]),
        (0x50000, 0x50000, []),
        (0x10000, 0x50000, ["throttled"]),
    ],
)
def test_flags_of_the_time_between(before, after, flags):
    assert firmware_flags(with_word(before), with_word(after)) == flags


def test_flags_since_boot():
    assert firmware_flags_since_boot(with_word(0x30008)) == ["under-voltage", "frequency capped"]


@pytest.mark.parametrize(
    "kind",
    [
        "Processor",
        "cpufreq-cpu0",
        "thermal-cpufreq-0",
        "idle-cpu0",
        "thermal-idle-0",
        "intel_powerclamp",
        "cpu-throttle-alert",
    ],
)
def test_a_cooling_device_that_slows_the_cpu(tmp_path, kind):
    cooling_device(tmp_path, 0, kind, 0)
    cold = read_conditions([0], str(tmp_path))
    cooling_device(tmp_path, 0, kind, 3)
    hot = read_conditions([0], str(tmp_path))
    assert cooling_in_use(cold, cold) == []
    assert cooling_in_use(cold, hot) == [kind]
    assert cooling_in_use(hot, cold) == [kind]


@pytest.mark.parametrize("kind", ["pwm-fan", "Fan", "LCD", "devfreq-17000000.gpu", "TCC Offset"])
def test_a_cooling_device_that_does_not(tmp_path, kind):
    cooling_device(tmp_path, 0, kind, 3)
    assert read_conditions([0], str(tmp_path)).cooling is None
    cooling_device(tmp_path, 1, "cpufreq-cpu0", 0)
    assert read_conditions([0], str(tmp_path)).cooling == []


def test_of_many_devices_of_one_type_one_in_use_is_enough(tmp_path):
    for number, state in enumerate((0, 2, 0)):
        cooling_device(tmp_path, number, "Processor", state)
    assert read_conditions([0], str(tmp_path)).cooling == ["Processor"]


def test_idle_powerclamp_says_minus_one(tmp_path):
    cooling_device(tmp_path, 0, "intel_powerclamp", -1)
    assert read_conditions([0], str(tmp_path)).cooling == []


def test_the_slowest_of_the_cpus_measured_on(tmp_path):
    for cpu, khz in enumerate((600000, 1800000, 1500000)):
        write(tmp_path, CPU.format(cpu) + "cpufreq/scaling_cur_freq", khz)
    assert read_conditions([1, 2], str(tmp_path)).frequency_khz == 1500000


def test_the_hottest_zone(tmp_path):
    for zone, text in enumerate((41000, -5000, 63500, "")):
        write(tmp_path, f"sys/class/thermal/thermal_zone{zone}/temp", text)
    assert read_hottest_millicelsius(str(tmp_path)) == 63500


def test_sentences():
    assert reasons(3, ["under-voltage", "throttled"], ["cpufreq-cpu0"]) == [
        "the processor slowed itself down 3 times",
        "the firmware reports: under-voltage, throttled",
        "the kernel cools by slowing the CPU: cpufreq-cpu0",
    ]
    assert reasons(0, [], []) == []
