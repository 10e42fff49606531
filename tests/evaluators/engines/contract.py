"""What every engine must do, run against real engines.

Subclass `EngineContract` in the engine's own test file, and give it two fixtures; what takes time
to build is built once, by a function of the module with ``functools.cache``::

    class TestFloat(EngineContract):
        engine = ENGINE
        tolerance = 1e-5

        @pytest.fixture
        def portable(self) -> Path:  # the folder that the engine eats: `tiny_net` at `precision`
            return float_folder()

        @pytest.fixture
        def refused(self, tmp_path) -> Path:  # a folder that it can't compile
            ...
"""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from evaluators.engines.engine import Engine
from evaluators.failures import CandidateRejected

CPU_COUNT = 4


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return torch.relu(x + self.norm(self.conv(x)))


def tiny_net() -> nn.Module:
    """Return a ResNet-like net, (batch, 3, 16, 16) -> (batch, 4), the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.ReLU(),
            Residual(8),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        )
    return net.eval()


def tiny_images(batch: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(batch, 3, 16, 16)).astype(np.float32)


def torch_outputs(model: nn.Module, *inputs: np.ndarray) -> list[np.ndarray]:
    with torch.inference_mode():
        outputs = model(*[torch.from_numpy(array) for array in inputs])
    outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    return [output.numpy() for output in outputs]


class EngineContract:
    """``tolerance`` is the largest absolute difference from PyTorch at ``precision``."""

    engine: ClassVar[Engine]
    precision: ClassVar[str] = "fp32"
    tolerance: ClassVar[float]

    @pytest.fixture
    def flags(self):
        known = self.engine.flags(CPU_COUNT).items()  # a search leaves out what doesn't matter
        return {name: flag.default for name, flag in known if flag.matters_for(self.precision)}

    @pytest.fixture
    def compiled(self, portable, flags, tmp_path_factory):
        out_dir = tmp_path_factory.mktemp("compiled")
        return out_dir, self.engine.compile(portable, self.precision, flags, out_dir)

    @pytest.fixture
    def session(self, compiled, flags):
        out_dir, result = compiled
        with self.engine.open(out_dir, result.artifact, self.precision, flags) as session:
            yield session

    def answer(self, session, images):
        return session.decode(session.infer(session.prepare([images])))

    def test_names_itself_and_the_forms_it_eats(self):
        assert self.engine.name
        assert self.engine.default_precision in self.engine.forms
        assert self.precision in self.engine.forms

    @pytest.mark.parametrize("cpu_count", [1, 2, 64])
    def test_flag_defaults_lie_inside_their_own_values(self, cpu_count):
        for name, flag in self.engine.flags(cpu_count).items():
            assert flag.accepts(flag.default), name
            assert flag.values, name
            assert flag.description, name

    def test_flag_names_do_not_depend_on_the_machine(self):
        assert set(self.engine.flags(1)) == set(self.engine.flags(64))

    def test_nothing_is_missing_where_these_tests_run(self):
        assert self.engine.missing() is None

    def test_runtime_says_its_version(self):
        assert any(character.isdigit() for character in self.engine.load_runtime())

    def test_defaults_are_not_refused(self, flags):
        assert self.engine.refusal(self.precision, flags) is None

    def test_thread_count_is_positive(self, flags):
        assert self.engine.thread_count(flags) >= 1

    def test_artifact_is_a_file_of_the_folder_it_compiled_into(self, compiled):
        out_dir, result = compiled
        assert (out_dir / result.artifact).stat().st_size > 0
        assert Path(result.artifact).name == result.artifact

    def test_agrees_with_pytorch(self, session):
        for seed in range(3):
            images = tiny_images(1, seed)
            (ours,) = self.answer(session, images)
            (theirs,) = torch_outputs(tiny_net(), images)
            assert ours.dtype == np.float32
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=self.tolerance)

    def test_equal_inputs_give_equal_outputs(self, session):
        first = self.answer(session, tiny_images(1, 1))
        self.answer(session, tiny_images(1, 2))
        np.testing.assert_array_equal(first, self.answer(session, tiny_images(1, 1)))

    def test_outputs_are_copies(self, session):
        first = self.answer(session, tiny_images(1, 1))
        kept = [output.copy() for output in first]
        self.answer(session, tiny_images(1, 2) * 5)
        np.testing.assert_array_equal(first, kept)

    def test_prepared_batch_is_the_callers_own(self, session):
        images = tiny_images(1, 1)
        prepared = session.prepare([images])
        expected = session.decode(session.infer(prepared))
        session.infer(session.prepare([tiny_images(1, 2)]))
        images[:] = 0
        np.testing.assert_array_equal(session.decode(session.infer(prepared)), expected)

    def test_infer_all_runs_every_batch(self, session):
        batches = [session.prepare([tiny_images(1, seed)]) for seed in range(3)]
        session.infer_all(batches)
        (last,) = self.answer(session, tiny_images(1, 2))
        np.testing.assert_array_equal(session.decode(session.infer(batches[2]))[0], last)

    def test_refused_candidate_says_why(self, refused, flags, tmp_path):
        with pytest.raises(CandidateRejected, match=r"\w+ \w+") as caught:
            self.engine.compile(refused, self.precision, flags, tmp_path)
        assert "\n" not in caught.value.reason

    def test_closing_twice_is_fine(self, compiled, flags):
        out_dir, result = compiled
        session = self.engine.open(out_dir, result.artifact, self.precision, flags)
        session.close()
        session.close()

    def test_closing_frees_everything_after_an_exception_too(self, compiled, flags):
        out_dir, result = compiled
        session = self.engine.open(out_dir, result.artifact, self.precision, flags)
        held = [weakref.ref(value) for value in vars(session).values() if _is_native(value)]
        assert held
        with pytest.raises(ZeroDivisionError, match="division"):
            _infer_and_fail(session)
        gc.collect()
        assert [reference() for reference in held if reference() is not None] == []


def _infer_and_fail(session):
    with session:
        session.infer(session.prepare([tiny_images(1)]))
        1 / 0  # noqa: B018 -- the exception under test


def _is_native(value):
    """Say whether the session holds ``value`` as a runtime's own object."""
    module = type(value).__module__
    return not module.startswith(("builtins", "numpy", "evaluators", "pathlib", "collections"))
