"""What README.md says is so: its examples run, its tables are complete, its paths exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from pydantic import BaseModel

from evaluators.engines import engine_names, load_engine
from evaluators.export.onnx_from_torch import export_onnx
from evaluators.meters import meter_names
from evaluators.quantize import EXPORTED_FORMS, load_quantizer
from search.cli import app
from spaces.constraints import PROFILES, Constraint
from spaces.objectives import OBJECTIVES
from spaces.schema import Space

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FLAG_EXAMPLE_CPUS = 4
SOON = ("--set", "measuring.duration=0.1s", "--set", "measuring.attempts=1")
RUN = ("-m", "search", "run", "--plain", *SOON)

GESTURES = """\
from pathlib import Path

import numpy as np
import torch
from torch import nn

HERE = Path(__file__).parent


def build():
    return nn.Sequential(
        nn.Conv1d(6, 16, 5, padding=2), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool1d(4),
        nn.Conv1d(16, 32, 5, padding=2), nn.BatchNorm1d(32), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 3),
    )


def load_net():
    net = build()
    net.load_state_dict(torch.load(HERE / "gestures.pt", weights_only=True))
    return net.eval()


def windows(split):
    data = np.load(HERE / f"{split}.npz")
    for start in range(0, len(data["labels"]), 32):
        yield data["signals"][start : start + 32], data["labels"][start : start + 32]
"""
"""What a person has before they come to us: a model, its weights and their data."""


def blocks(language):
    """Return file name -> text of every code block of a language whose first line names a file."""
    found = re.findall(rf"^```{language}\n# (\S+)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    return dict(found)


def code_lines(text):
    return [line for line in text.splitlines() if line.strip()]


def signals(count, seed):
    """Return noisy sines of three frequencies, (count, 6, 128), and which one each is."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    turns = np.array([3, 6, 12])[labels][:, None, None] * np.arange(128) / 128
    phases = rng.uniform(0, 1, (count, 6, 1))
    noisy = np.sin(2 * np.pi * (turns + phases)) + rng.normal(0, 0.5, (count, 6, 128))
    return noisy.astype(np.float32), labels


def fit(gestures):
    torch.manual_seed(0)
    net = gestures.build()
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    for _ in range(6):
        for inputs, labels in gestures.windows("train"):
            logits = net(torch.from_numpy(inputs))
            loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(labels))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A person's folder, with the README's files in it."""
    folder = tmp_path_factory.mktemp("mine")
    for seed, (split, count) in enumerate(
        {"train": 192, "calibration": 32, "validation": 96, "test": 96}.items()
    ):
        inputs, labels = signals(count, seed)
        np.savez(folder / f"{split}.npz", signals=inputs, labels=labels)
    (folder / "gestures.py").write_text(GESTURES)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        import gestures

        net = fit(gestures)
        del sys.modules["gestures"]
    torch.save(net.state_dict(), folder / "gestures.pt")
    inputs, labels = signals(96, 4)
    export_onnx(net, {"signal": inputs[:1]}, folder)
    np.savez(folder / "data.npz", signal=inputs, targets=labels)
    for name, text in {**blocks("python"), **blocks("yaml")}.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def call(folder):
    """Run Python in the person's folder and return what it prints; exit code 0 is a must."""

    def call(*arguments):
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=folder,
            env={**os.environ, "EDGE_INFERENCE_SEARCH_CACHE": str(folder / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_own_workload_runs_and_is_read_from_python(call, folder):
    assert "is right" in call("-m", "search", "validate", "--space", "gestures.yaml")
    printed = call(*RUN, "--space", "gestures.yaml", "--trials", "3")
    assert "on the front of 3 finished trials" in printed
    assert (folder / "runs/gestures/report.html").stat().st_size > 0
    assert "int8" in call("read_front.py")


def test_model_that_exists_only_as_onnx_runs(call):
    printed = call(*RUN, "--space", "only_onnx.yaml", "--trials", "4")
    assert "on the front of 4 finished trials" in printed
    assert "rejected" not in printed


def test_examples_are_short():
    assert len(code_lines(blocks("python")["gestures_workload.py"])) < 20
    assert len(code_lines(blocks("yaml")["gestures.yaml"])) < 20
    assert len(code_lines(blocks("yaml")["only_onnx.yaml"])) < 20


def keys_of(model, prefix=""):
    """Yield the dotted name of every key of a space file that holds a value."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from keys_of(field.annotation, f"{key}.")
        else:
            yield key


def test_every_key_of_a_space_file_is_explained():
    explained = set(re.findall(r"^\| `([a-z_.]+)` \|", README, re.MULTILINE))
    assert set(keys_of(Space)) - explained == set()


def test_no_key_is_explained_that_does_not_exist():
    table = README.partition("| key | default | meaning |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", table, re.MULTILINE)) == set(keys_of(Space))


@pytest.mark.parametrize("name", [*OBJECTIVES, *Constraint.model_fields])
def test_every_objective_and_bound_is_explained(name):
    assert re.search(rf"^\|.*`{name}`.*\|", README, re.MULTILINE)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_is_explained(profile):
    bounds = " | ".join(f"{bound.max:g}" for bound in PROFILES[profile].values())
    assert f"| `{profile}` | {bounds} |" in README


@pytest.mark.parametrize("name", engine_names())
def test_every_precision_flag_and_setting_of_an_engine_is_explained(name):
    engine = load_engine(name)
    (row,) = re.findall(rf"^\| `{name}` \| (.*) \| (.*) \| (.*) \|$", README, re.MULTILINE)
    assert row[0] == ", ".join(engine.forms)
    flags = set(re.findall(r"`(\w+)`", row[1]))
    assert flags == set(engine.flags(FLAG_EXAMPLE_CPUS))
    forms = [form for form in engine.forms.values() if form not in EXPORTED_FORMS]
    settings = {setting for form in forms for setting in load_quantizer(form).SETTINGS}
    assert set(re.findall(r"`(\w+)`", row[2])) == settings


@pytest.mark.parametrize("name", meter_names())
def test_every_meter_is_named(name):
    assert f"`{name}`" in README


def commands():
    return typer.main.get_command(app).commands


@pytest.mark.parametrize("name", commands())
def test_every_command_and_option_is_in_the_reference(name):
    section = README.partition("## Commands")[2]
    reference = re.search(rf"^python -m search {name}\b.*\n(?: .*\n)*", section, re.MULTILINE)
    given = {name for parameter in commands()[name].params for name in parameter.opts}
    options = {name for name in given if name.startswith("--")} - {"--help"}
    assert set(re.findall(r"--[a-z-]+", reference[0])) == options


def test_every_path_of_the_tree_exists():
    tree = README.partition("## What is where")[2].partition("```\n")[2].partition("```")[0]
    folder, places = Path(), []
    for line in tree.splitlines():
        name = line.split()[0]
        folder = folder if line.startswith(" ") else Path(name)
        places.append(folder / name if line.startswith(" ") else folder)
    assert len(places) > 20
    assert [str(place) for place in places if not list(ROOT.glob(str(place)))] == []


def test_every_link_leads_somewhere():
    for target in re.findall(r"[^!]\[[^\]]*\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
    anchors = {
        re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-")
        for line in re.findall(r"^#+ (.*)$", README, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", README)) <= anchors
