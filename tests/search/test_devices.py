import pytest

from evaluators.engines import ethosu
from evaluators.meters.hwmon import METER as HWMON
from evaluators.meters.rapl import METER as RAPL
from search.devices import print_devices


@pytest.fixture
def shown(capsys, monkeypatch):
    """Return a function that prints everything, wide, and gives the rows of one meter."""
    monkeypatch.setenv("COLUMNS", "400")

    def rows(meter):
        print_devices()
        lines = capsys.readouterr().out.splitlines()
        cells = [[cell.strip() for cell in line[1:-1].split("│")] for line in lines]
        return [row[1:] for row in cells if row[0] == meter]

    return rows


def write(folder, **files):
    folder.mkdir(parents=True)
    for name, value in files.items():
        (folder / name).write_text(f"{value}\n")


def test_a_meter_shows_what_it_adds_up(shown, tmp_path, monkeypatch):
    monkeypatch.setattr(RAPL, "_root", str(tmp_path))
    write(tmp_path / "intel-rapl:0", name="package-0", energy_uj=0)
    write(tmp_path / "intel-rapl:0:0", name="dram", energy_uj=0)
    assert shown("rapl") == [["cpu: package-0, package-0/dram", "yes", ""]]


def test_a_meter_that_is_absent_says_why(shown, tmp_path, monkeypatch):
    monkeypatch.setattr(RAPL, "_root", str(tmp_path))
    why = f"no RAPL package under {tmp_path} (virtual machines have none)"
    assert shown("rapl") == [["cpu", "no", why]]


def test_a_sensor_that_has_to_be_named_says_how(shown, tmp_path, monkeypatch):
    monkeypatch.setattr(HWMON, "_root", str(tmp_path))
    write(tmp_path / "hwmon0", name="ina226", power1_input=5_000_000)
    (row,) = shown("hwmon:ina226@hwmon0/power1")
    assert row == [
        "ina226@hwmon0/power1",
        "if named",
        (
            "nobody but you can know what it measures: if that is the device, write device.meter: "
            "hwmon:ina226@hwmon0/power1"
        ),
    ]


def test_an_engine_whose_compiler_is_absent_says_how_to_add_it(shown, monkeypatch):
    pytest.importorskip("ai_edge_litert")
    monkeypatch.setattr(ethosu, "VELA", "no_such_vela")
    what = "no: the Python package ethos-u-vela is missing on this machine"
    assert shown("ethosu") == [["int8", what, "pip install 'edge-inference-search[ethosu]'"]]
