"""What keeps a bundle from being verified at all, each with its exit code."""

from dataclasses import replace
from importlib import metadata

import pytest

from evaluators.device_lock import DeviceLock
from evaluators.engines import load_engine
from evaluators.failures import DiskFull
from reports.bundle import verify as verify_module
from reports.bundle.write import sums_of, write_bundle
from search.api import verify
from search.errors import CannotRun, MissingError, UsageError
from tests.sshd import wait_for

pytest.importorskip("openvino")


@pytest.fixture
def folder(exported, tmp_path):
    """Return a bundle whose model is no model, measured with the OpenVINO that is here."""
    out = tmp_path / "bundle"
    write_bundle(replace(exported, runtime_version=metadata.version("openvino")), out)
    return out


def rewrite(folder, before, after):
    path = folder / "bundle.json"
    path.write_text(path.read_text().replace(before, after))
    (folder / "SHA256SUMS").write_text(sums_of(folder))


def test_what_is_no_bundle_is_bad_input(tmp_path):
    with pytest.raises(UsageError, match=r"a bundle must be a folder") as caught:
        verify(tmp_path)
    assert caught.value.exit_code == 2


def test_what_is_no_address_is_bad_input(folder):
    with pytest.raises(UsageError, match=r"--connect must be local or ssh://user@host.* but got"):
        verify(folder, connect="coral.local")


def test_who_has_the_device_is_said_while_it_is_waited_for(folder):
    lock, heard = DeviceLock(), []

    def free(event):
        heard.append(event.text)
        lock.release()

    wait_for(lambda: lock.try_to_take({"pid": 7, "host": "another"}) is None, 120)
    with pytest.raises(CannotRun):
        verify(folder, observe=free)
    assert heard == ["this machine is in use by process 7 for another: waiting for it."]


def test_a_full_disk_says_what_to_do_about_a_bundle(folder, monkeypatch):
    def fill_up(*_):
        raise DiskFull("the disk is full.")

    monkeypatch.setattr(verify_module, "verify", fill_up)
    with pytest.raises(
        UsageError, match=r"^the disk is full\. Verify it again once that is mended"
    ):
        verify(folder)


def test_an_engine_that_is_not_here_is_missing(folder):
    rewrite(folder, '"engine": "openvino",\n  "precision"', '"engine": "tpu9",\n  "precision"')
    with pytest.raises(MissingError, match="needs the engine tpu9") as caught:
        verify(folder)
    assert caught.value.exit_code == 3


def test_a_runtime_that_is_not_here_is_missing(folder, monkeypatch):
    monkeypatch.setattr(load_engine("openvino"), "module", "no_such_module")
    pinned = f"openvino=={metadata.version('openvino')}"
    with pytest.raises(
        MissingError,
        match=rf"openvino on this machine needs the Python package openvino\..* install {pinned}$",
    ) as caught:
        verify(folder)
    assert caught.value.exit_code == 3


def test_a_model_that_the_same_engine_refuses_is_wrong(folder):
    with pytest.raises(CannotRun, match=r"openvino can't run it here: .*load the blob") as caught:
        verify(folder)
    assert caught.value.exit_code == 1


def test_a_model_that_another_version_refuses_misses_its_own(folder):
    version = f'"version": "{metadata.version("openvino")}"'
    rewrite(folder, version, '"version": "2020.1"')
    with pytest.raises(
        MissingError, match=r"openvino 2020\.1 ran it, and .* can't: .* openvino==2020\.1$"
    ) as caught:
        verify(folder)
    assert caught.value.exit_code == 3
