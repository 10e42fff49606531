from __future__ import annotations

import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from evaluators.export.onnx_check import check_onnx, import_onnx, read_onnx_inputs
from evaluators.failures import InputError
from tests.evaluators.export.onnx_models import (
    WEIGHT,
    answer,
    branching_model,
    make_model,
    refused,
    value,
)


class TestParsing:
    def test_valid_model_passes(self, save):
        check_onnx(save(branching_model()))

    def test_every_truncation_is_refused(self, save):
        whole = branching_model().SerializeToString()
        for length in range(len(whole)):
            with pytest.raises(InputError, match=r"given\.onnx: .*(again|path)\."):
                check_onnx(save(whole[:length]))

    def test_damage_is_an_input_error_or_a_valid_model(self, save):
        whole = branching_model().SerializeToString()
        chance, refusals = random.Random(0), 0
        for _ in range(400):
            damaged = bytearray(whole)
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            try:
                check_onnx(save(bytes(damaged)))
            except InputError:
                refusals += 1
        assert refusals > 100

    def test_missing_file(self, tmp_path, out_dir):
        refused(tmp_path / "none.onnx", out_dir, "must be a file, but there is none")

    def test_folder_and_pointer_file(self, tmp_path, save, out_dir):
        refused(tmp_path, out_dir, "must be a file")
        refused(save(b"version https://git-lfs.github.com/spec/v1\n"), out_dir, "Git LFS")

    def test_invalid_graph_names_the_op(self, save, out_dir):
        model = make_model([helper.make_node("Fold", ["x", "w"], ["y"])])
        refused(save(model), out_dir, "must be valid ONNX, but No Op registered for Fold")


class TestInputs:
    def test_names_shapes_and_types(self, save):
        inputs = [value("x", ["N", 3]), value("ids", [4, 5], TensorProto.INT64)]
        found = read_onnx_inputs(save(make_model(inputs=inputs)))
        assert found == [
            ("x", (None, 3), np.dtype(np.float32)),
            ("ids", (4, 5), np.dtype(np.int64)),
        ]

    def test_an_initializer_is_no_input(self, save, out_dir):
        model = make_model(inputs=[value("x", ["N", 3]), value("w", [3, 3])])
        model.ir_version = 3
        path = save(model)
        assert [each.name for each in read_onnx_inputs(path)] == ["x"]
        import_onnx(path, 1, out_dir)
        x = np.ones((1, 3), np.float32)
        np.testing.assert_array_equal(answer(out_dir, x), x @ WEIGHT)

    def test_none_at_all_is_refused(self, save, out_dir):
        model = make_model([helper.make_node("Identity", ["w"], ["y"])], inputs=[])
        refused(save(model), out_dir, "must have an input")

    @pytest.mark.parametrize(
        ("inputs", "match"),
        [
            ([value("x", ["N", "width"])], "dimension 1 of 'x' is width.*--dim_param width"),
            ([value("x", ["N", None])], r"dimension 1 of 'x' is \?.*--input_name x"),
            ([value("x", ["N", 3], TensorProto.STRING)], "numbers or booleans, but holds STRING"),
            ([value("x", ["N", 3]), value("z", [])], "'z' is a scalar"),
            ([helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)], "tensor with"),
        ],
    )
    def test_what_no_engine_could_feed_is_refused(self, inputs, match, save, out_dir):
        model = make_model([helper.make_node("Identity", ["w"], ["y"])], inputs=inputs)
        refused(save(model), out_dir, match)


class TestBatchSize:
    @pytest.mark.parametrize("batch", ["N", None])
    def test_a_free_one_becomes_static(self, batch, save, out_dir):
        import_onnx(save(make_model(inputs=[value("x", [batch, 3])])), 4, out_dir)
        (found,) = read_onnx_inputs(out_dir / "model.onnx")
        assert found.shape == (4, 3)
        x = np.ones((4, 3), np.float32)
        np.testing.assert_array_equal(answer(out_dir, x), x @ WEIGHT)

    def test_its_symbol_is_replaced_in_outputs_and_in_between(self, save, out_dir):
        nodes = [
            helper.make_node("MatMul", ["x", "w"], ["m"]),
            helper.make_node("Relu", ["m"], ["y"]),
        ]
        import_onnx(save(make_model(nodes, value_info=[value("m", ["N", 3])])), 2, out_dir)
        graph = onnx.load(out_dir / "model.onnx").graph
        for each in (*graph.output, *graph.value_info):
            assert [size.dim_value for size in each.type.tensor_type.shape.dim] == [2, 3]

    def test_another_fixed_one_is_refused(self, save, out_dir):
        path = save(make_model(inputs=[value("x", [8, 3])]))
        with pytest.raises(InputError, match="batch_size is 2, but input 'x' takes batches of 8"):
            import_onnx(path, 2, out_dir)
        import_onnx(path, 8, out_dir)
        assert read_onnx_inputs(out_dir / "model.onnx")[0].shape == (8, 3)
