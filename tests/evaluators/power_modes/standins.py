"""Stand-ins for NVIDIA's programs: they print what the real ones print, over a fake tree."""

NVPMODEL = r"""
import pathlib, re, sys

root = pathlib.Path(ROOT)
modes = dict(re.findall(r"ID=(\d+) NAME=(\S+)", (root / "nvpmodel.conf").read_text()))
now = root / "nvpmodel.now"
if sys.argv[1] == "-q":
    number = now.read_text().strip()
    print("NV Fan Mode:quiet")
    print("NV Power Mode:", modes[number])
    print(number)
elif sys.argv[2] == "2":
    print("NVPM WARN: Reboot required for changing to this power mode: 2")
    print("NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:")
    assert sys.stdin.read() == ""  # nobody confirms
else:
    now.write_text(sys.argv[2])
    (root / "nvpmodel.log").open("a").write(sys.argv[2])
"""

# As in NVIDIA's script: it asks before it overwrites a file, and ends with 0 after an error.
JETSON_CLOCKS = r"""
import pathlib, sys

policies = sorted((pathlib.Path(ROOT) / "cpufreq").glob("policy*"))
action, *rest = sys.argv[1:] or ["max"]
if action == "--store":
    conf = pathlib.Path(rest[0])
    if conf.exists():
        print(f"File {conf} already exists. Can I overwrite it? Y/N:")
        sys.exit(1)
    print(f"Storing system configuration in {conf}")
    lows = [policy / "scaling_min_freq" for policy in policies]
    conf.write_text("".join(f"{low}:{low.read_text()}" for low in lows))
elif action == "--restore":
    if not pathlib.Path(rest[0]).exists():
        print(f"Error: {rest[0]} file not found !")
        sys.exit(1)
    print(f"Restoring system configuration from {rest[0]}")
    for line in pathlib.Path(rest[0]).read_text().split():
        file, _, value = line.rpartition(":")
        pathlib.Path(file).write_text(value + "\n")
elif action == "--show":
    print("SOC family:tegra234  Machine:NVIDIA Jetson Orin Nano")
elif (pathlib.Path(ROOT) / "no_gpu").exists():
    print("Error! No GPU found!")
else:
    for policy in policies:
        (policy / "scaling_min_freq").write_text((policy / "scaling_max_freq").read_text())
"""
