import io

import pytest
from rich.console import Console

import search
from evaluators.engines import engine_names, ethosu
from evaluators.meters.hwmon import METER as HWMON
from evaluators.meters.rapl import METER as RAPL
from search.device_survey import devices


@pytest.fixture
def shown():
    """Return a function that prints everything, wide, and gives the rows of one meter."""

    def rows(meter):
        console = Console(file=io.StringIO(), width=400)
        console.print(devices())
        lines = console.file.getvalue().splitlines()
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


def test_an_engine_without_its_device_says_what_stands_in():
    pytest.importorskip("ai_edge_litert")
    found = search.devices()
    engines = found.engines().set_index("engine")
    assert "an Ethos-U can't be reached" in engines.loc["ethosu", "stand_in"]
    assert "an Ethos-U can't be reached" in str(found)


def test_python_has_the_same_rows_as_tables(tmp_path, monkeypatch):
    monkeypatch.setattr(RAPL, "_root", str(tmp_path))
    found = search.devices()
    meters = found.meters().set_index("meter")
    assert meters.loc["rapl", "found"] == "no"
    assert meters.loc["rapl", "remedy"].startswith(f"no RAPL package under {tmp_path}")
    assert found.engines()["engine"].tolist() == engine_names()
    assert found.machine()["memory_mib"] > 0
    assert "governor" in set(found.power_modes()["power_mode"])
    assert "why not, and how to allow it" in str(found)
    assert "openvino" in found._repr_html_()
