"""What keeps a bundle from being verified at all, each with its exit code."""

from dataclasses import replace
from importlib import metadata

import pytest

from reports.bundle.verify import verify_bundle
from reports.bundle.write import sums_of, write_bundle
from search.errors import CannotRun, MissingError, UsageError

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
        verify_bundle(tmp_path)
    assert caught.value.exit_code == 2


def test_an_engine_that_is_not_here_is_missing(folder):
    rewrite(folder, '"engine": "openvino",\n  "precision"', '"engine": "tpu9",\n  "precision"')
    with pytest.raises(MissingError, match="needs the engine tpu9") as caught:
        verify_bundle(folder)
    assert caught.value.exit_code == 3


def test_a_model_that_the_same_engine_refuses_is_wrong(folder):
    with pytest.raises(CannotRun, match=r"openvino can't run it here: .*load the blob") as caught:
        verify_bundle(folder)
    assert caught.value.exit_code == 1


def test_a_model_that_another_version_refuses_misses_its_own(folder):
    version = f'"version": "{metadata.version("openvino")}"'
    rewrite(folder, version, '"version": "2020.1"')
    with pytest.raises(MissingError, match=r"openvino 2020\.1 ran it, and .* here can't") as caught:
        verify_bundle(folder)
    assert caught.value.exit_code == 3
