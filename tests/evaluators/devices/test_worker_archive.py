import io
import re
import subprocess
import sys
import zipfile
from pathlib import Path

from evaluators.devices.worker_archive import DEVICE_SIDE, worker_archive

ROOT = Path(__file__).parents[3]


def test_equal_sources_give_equal_bytes():
    first = worker_archive()
    worker_archive.cache_clear()
    assert worker_archive() == first


def test_what_is_sent_is_what_is_checked_for_python_3_7():
    text = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    checked = re.search(r"^DEVICE_SIDE := (.*)$", text, re.MULTILINE)[1].split()
    assert sorted(checked) == sorted(DEVICE_SIDE)


def test_the_worker_imports_from_the_archive_alone(tmp_path):
    path = tmp_path / "worker.pyz"
    path.write_bytes(worker_archive().content)
    code = (
        "import evaluators.benchmark.worker as w, evaluators.engines as e, evaluators.meters as m;"
        "print(w.__file__); print(*e.engine_names()); print(*m.meter_names())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    where, engines, meters = done.stdout.splitlines()
    assert where.startswith(str(path))
    assert {"litert", "edgetpu"} <= set(engines.split())
    assert "rapl" in meters


def test_nothing_of_the_hosts_is_in_it():
    with zipfile.ZipFile(io.BytesIO(worker_archive().content)) as archive:
        names = archive.namelist()
    assert "__main__.py" in names
    assert not [name for name in names if re.search("pipeline|compress|search|spaces", name)]
