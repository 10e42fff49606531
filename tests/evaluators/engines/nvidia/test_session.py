from __future__ import annotations

import gc

import numpy as np
import pytest

from evaluators.engines.nvidia.cuda import Cuda
from evaluators.engines.nvidia.session import TensorRtSession
from evaluators.failures import CandidateRejected
from tests.evaluators.engines.nvidia.fake_gpu import (
    BindingEngine,
    FakeDriver,
    TensorEngine,
    fake_package,
)

FLAGS = {"streams": 1, "cuda_graph": False, "dla_core": -1}
PLAN = b"a plan"


@pytest.fixture
def driver():
    return FakeDriver()


@pytest.fixture
def open_session(driver):
    """Return a function that opens a session, and gives it with the fake engine in it."""

    def opened(kind=TensorEngine, *, is_rtx=False, **changed):
        engine = kind(driver)
        package = fake_package(engine, is_rtx=is_rtx)
        names = (["a", "b"], ["sum", "double"])
        return TensorRtSession(Cuda(driver), package, PLAN, *names, {**FLAGS, **changed}), engine

    return opened


def batch(number):
    return [np.full((1, 3), number, np.float64), np.full((1, 3), number + 1, np.float32)]


def answer(session, number):
    return session.decode(session.infer(session.prepare(batch(number))))


@pytest.mark.parametrize("kind", [BindingEngine, TensorEngine])
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_inputs_go_in_and_outputs_come_out_in_the_models_order(open_session, kind, cuda_graph):
    session, _ = open_session(kind, cuda_graph=cuda_graph)
    with session:
        for number in (1, 2, 1):
            total, double = answer(session, number)
            np.testing.assert_array_equal(total, np.full((1, 3), 11 * number + 10))
            np.testing.assert_array_equal(double, 2 * total)
            assert [each.dtype for each in (total, double)] == [np.float32, np.float32]


def test_a_captured_graph_runs_the_model_once_an_inference(open_session):
    session, engine = open_session(cuda_graph=True)
    before = engine.executions
    answer(session, 1)
    assert engine.executions == before + 1
    session.close()


def test_tensorrt_for_rtx_captures_its_graph_itself(open_session, driver):
    session, engine = open_session(is_rtx=True, cuda_graph=True)
    assert engine.config.cuda_graph_strategy == "whole"
    assert driver.graphs == {}
    session.close()


@pytest.mark.parametrize("streams", [1, 3])
def test_every_batch_runs_on_as_many_streams_as_asked_for(open_session, driver, streams):
    session, engine = open_session(streams=streams)
    batches = [session.prepare(batch(number)) for number in range(7)]
    assert len(driver.streams) == 1
    session.infer_all(batches)
    assert engine.executions == 7
    assert len(driver.streams) == streams
    np.testing.assert_array_equal(answer(session, 6)[0], np.full((1, 3), 76))
    session.close()


@pytest.mark.parametrize("cuda_graph", [False, True])
def test_closing_frees_everything_on_the_gpu(open_session, driver, cuda_graph):
    session, _ = open_session(cuda_graph=cuda_graph, streams=2)
    session.infer_all([session.prepare(batch(1)) for _ in range(3)])
    session.close()
    session.close()
    gc.collect()
    assert (driver.memory, driver.streams, driver.graphs, driver.pinned) == ({}, {}, {}, {})


def test_device_time_is_the_gpus_own(open_session):
    session, _ = open_session()
    assert session.device_time_s(session.prepare(batch(1))) == pytest.approx(0.25e-3)
    session.close()


@pytest.mark.parametrize(
    ("kind", "size_bytes", "says"),
    [
        (TensorEngine, 500 + 2000 + 42, "weights, activations"),
        (BindingEngine, len(PLAN) + 1000 + 42, "the plan's size for its weights"),
    ],
)
def test_device_memory_is_weights_activations_and_arrays(open_session, kind, size_bytes, says):
    session, _ = open_session(kind)
    found = session.device_memory()
    assert found.size_bytes == size_bytes
    assert says in found.method
    session.close()


def test_a_runtime_that_cannot_be_made_says_why(driver):
    package = fake_package(None)

    def fail(log):
        log.errors.append("CUDA initialization failure")
        raise TypeError("factory function returned nullptr")

    package.module.Runtime = fail
    with pytest.raises(CandidateRejected, match="can't load the plan: CUDA initialization failure"):
        TensorRtSession(Cuda(driver), package, PLAN, ["a"], ["sum"], FLAGS)


def test_a_plan_that_cannot_be_loaded_says_why(driver):
    with pytest.raises(
        CandidateRejected, match=r"TensorRT 10\.3\.0 can't load the plan: .* not comp"
    ):
        TensorRtSession(Cuda(driver), fake_package(None), PLAN, ["a"], ["sum"], FLAGS)
