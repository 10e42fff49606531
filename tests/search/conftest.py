"""Runs whose numbers are chosen, a real space with a dimension of every kind, and real engines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import yaml

from evaluators.child_process import Limits
from evaluators.devices.local import LocalDevice
from evaluators.engines import load_engine
from evaluators.measurement import PowerSource, Quantity, unavailable
from evaluators.workload_facts import WorkloadFacts
from search.parameters import EngineSpace, ParameterSpace
from search.records import Failure, NumberedRecord, Run, TrialRecord
from search.run_facts import RunFacts
from search.target import Target
from spaces.dimensions import Choice, Fixed, Range
from spaces.load import load_space
from spaces.objectives import ACCURACY, OBJECTIVES

REPOSITORY = Path(__file__).parents[2]
FRONT_OBJECTIVES = ("latency_p90_ms", "peak_memory_mib", "accuracy")


@pytest.fixture(autouse=True)
def _quiet_optuna():
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def objectives(*names):
    return tuple(OBJECTIVES[name] for name in names or FRONT_OBJECTIVES)


def quantities(shown):
    """Return measured numbers from values in the unit people see; None is unavailable."""
    found = {}
    for name, value in shown.items():
        axis = OBJECTIVES[name]
        measured = value is not None
        found[axis.si_name] = (
            Quantity(axis.si_from_shown(value), "SI", "chosen", "measured")
            if measured
            else unavailable("SI", "no meter here")
        )
    return found


def record(latency_ms=1.0, memory_mib=4.0, accuracy=0.95, *, more=None, **fields):
    """Return a record of three numbers; ``more`` adds some by the objective's name."""
    values = dict(zip(FRONT_OBJECTIVES, (latency_ms, memory_mib, accuracy), strict=True))
    params = fields.pop("params", {"engine": "openvino", "precision": "int8"})
    return TrialRecord(params, quantities({**values, **(more or {})}), **fields)


def failed(kind, reason="out of memory", stage="compile"):
    params = {"engine": "openvino", "precision": "int8"}
    return TrialRecord(params, failure=Failure(kind, reason, stage))


def facts(**changes):
    fields = {
        "name": "tiny",
        "space_file": "tiny.yaml",
        "identity": "abc",
        "seed": 7,
        "device": "here",
        "machine": "a CPU",
        "objectives": objectives(),
        "metric": ACCURACY,
        "reference_metric": 0.96,
        "notices": (),
        "bounds": {},
    }
    return RunFacts(**{**fields, **changes})


def run(*records, baseline=None, **changes):
    states = {True: "complete", False: "pruned"}
    trials = [NumberedRecord(n, states[r.failure is None], r) for n, r in enumerate(records)]
    return Run(facts(**changes), baseline, trials)


class Build:
    """The builders above, since test files can't import a conftest."""

    objectives = staticmethod(objectives)
    quantities = staticmethod(quantities)
    record = staticmethod(record)
    failed = staticmethod(failed)
    facts = staticmethod(facts)
    run = staticmethod(run)


@pytest.fixture(scope="session")
def build():
    return Build


@pytest.fixture
def study(build):
    """Return a function that makes a study in memory for the three objectives."""

    def make(sampler=None):
        directions = [objective.direction for objective in build.objectives()]
        return optuna.create_study(
            directions=directions, sampler=sampler or optuna.samplers.RandomSampler(seed=0)
        )

    return make


def rich_space(sparsity, **quantization):
    """Return two real engines on four CPUs, with every kind of dimension somewhere."""
    onnxruntime, openvino = load_engine("onnxruntime"), load_engine("openvino")
    spaces = {
        "onnxruntime": EngineSpace(
            onnxruntime,
            Choice(("fp32", "int8")),
            onnxruntime.flags(4),
            {
                "threads": Range(1, 4, is_integer=True),
                "graph_optimization": Choice(("disabled", "basic", "all")),
                "execution_mode": Fixed("sequential"),
                "spinning": Choice((True, False)),
                "provider": Fixed("cpu"),
            },
        ),
        "openvino": EngineSpace(
            openvino,
            Choice(("fp32", "bf16", "int8")),
            openvino.flags(4),
            {
                "threads": Choice((1, 2, 3, 4), is_ordered=True),
                "streams": Range(0, 4, 2, is_integer=True),
                "performance_hint": Fixed("latency"),
                "inference_precision": Choice(("f32", "bf16")),
            },
        ),
    }
    settings = {
        "calibration_method": Choice(("minmax", "percentile")),
        "per_channel": Choice((True, False)),
        "weight_bits": Fixed(8),
        "preset": Fixed("performance"),
    }
    return ParameterSpace(
        spaces,
        sparsity,
        {
            "importance": Choice(("l2", "l1")),
            "round_to": Choice((2, 8, 16), is_ordered=True),
        },
        {
            "epochs": Choice((0, 1, 2, 4), is_ordered=True),
            "temperature": Range(1.0, 10.0, log=True),
            "alpha": Choice((0.1, 0.2, 0.3), is_ordered=True),
        },
        {**settings, **quantization},
    )


SPARSITIES = {
    "whole": Range(0.0, 0.8, 0.05),
    "groups": {"stem": Range(0.0, 0.5, 0.25), "stage2": Range(0.0, 0.9), "head": Fixed(0.0)},
}


@pytest.fixture(params=SPARSITIES)
def rich(request):
    return rich_space(SPARSITIES[request.param])


@pytest.fixture
def whole():
    """Return the rich space with one sparsity for the whole model."""
    return rich_space(SPARSITIES["whole"])


@pytest.fixture
def patterned(whole):
    """Return the rich space with an engine more, which has kernels for 2:4."""
    tensorrt = load_engine("tensorrt")
    known = tensorrt.flags(4)
    flags = {name: Fixed(flag.default) for name, flag in known.items()}
    flags["streams"] = Choice((1, 2), is_ordered=True)
    space = EngineSpace(tensorrt, Choice(("fp16", "int8")), known, flags)
    return replace(
        whole,
        engines={**whole.engines, "tensorrt": space},
        quantization={**whole.quantization, "float_type": Fixed("fp32")},
        sparsity_pattern=Choice(("dense", "2:4")),
    )


class FourCpus(LocalDevice):
    """This machine, were it one of four CPUs."""

    @property
    def cpu_count(self):
        return 4


@pytest.fixture
def target_of():
    """Return the target that a machine with these engines and four CPUs would be."""

    def make(*engines, power=PowerSource("rapl", None), processors=None):  # noqa: B008 -- immutable
        return Target(
            {name: load_engine(name) for name in engines},
            FourCpus("here", Limits(60.0, 2**30)),
            "a CPU",
            dict.fromkeys(engines, "measured"),
            power,
            (),
            processors=processors or dict.fromkeys(engines, ("cpu",)),
        )

    return make


@pytest.fixture
def workload():
    """Return what the build worker would say of a small classifier."""
    return WorkloadFacts(
        fingerprint="abc",
        metric="accuracy",
        direction="maximize",
        inputs={"image": ([3, 8, 8], "float32")},
        is_trainable=True,
        modules=("", "stem", "stem.conv", "stage1", "stage1.0", "head"),
    )


HEADER = """\
version: 1
name: tiny
workload: tiny.py:Tiny
device: {{name: here, engines: [{engines}]}}
"""


@pytest.fixture
def space_of(tmp_path, monkeypatch):
    """Load a space of four good lines and ``extra`` from line 5 on, as space.yaml."""
    monkeypatch.chdir(tmp_path)

    def load(extra="", engines="onnxruntime, openvino", *, header=HEADER):
        path = tmp_path.relative_to(tmp_path) / "space.yaml"
        path.write_text(header.format(engines=engines) + extra, encoding="utf-8")
        return load_space(path)

    return load


@pytest.fixture(scope="session")
def search_cache(tmp_path_factory):
    """Keep trained weights and artifacts in one folder for all of the session's searches."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_INFERENCE_SEARCH_CACHE", str(folder))
        yield folder


@pytest.fixture
def tiny_workload_file(tmp_path):
    """Return a copy of a small real workload, ``tiny_workload.py:Tiny``, in tmp_path."""
    source = Path(__file__).with_name("tiny_workload.py")
    return Path(shutil.copy(source, tmp_path))


@pytest.fixture
def tiny_space(tmp_path, tiny_workload_file, search_cache):
    """Return a function that writes tiny.yaml, of one engine and three trials, as space.yaml.

    It takes values by dotted key, e.g. ``{"budget.trials": 2}``; None leaves the key out.
    """

    def write(changes=None):
        document = yaml.safe_load(Path(__file__).with_name("tiny.yaml").read_text())
        for key, value in (changes or {}).items():
            *above, last = key.split(".")
            section = document
            for name in above:
                section = section.setdefault(name, {})
            section[last] = value
            if value is None:
                del section[last]
        path = tmp_path / "space.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    return write


@pytest.fixture
def run_cli(tmp_path, search_cache):
    """Return a function that runs ``python -m search`` in tmp_path as a person would."""

    def run_search(*args, timeout=120, env=None):
        return subprocess.run(
            [sys.executable, "-m", "search", *map(str, args)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run_search


@pytest.fixture
def start_command(tmp_path, search_cache):
    """Return a function that starts a command in tmp_path, killed at the end of the test."""

    def begin(command, env=None):
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **(env or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        begun.append(process)
        return process

    begun = []
    yield begin
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def start(start_command):
    """Return a function that starts ``python -m search run`` and doesn't wait for its end."""

    def begin(*args, env=None):
        command = [sys.executable, "-m", "search", "run", *map(str, args), "--plain"]
        return start_command(command, env)

    return begin
