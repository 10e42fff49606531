from __future__ import annotations

import onnx


def unknown_op_model(folder):
    """Write a model with an op that no engine has."""
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Fold", ["x"], ["y"], name="fold1", domain="my.own")],
        "graph",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 3])],
    )
    opsets = [onnx.helper.make_opsetid("", 20), onnx.helper.make_opsetid("my.own", 1)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.save(model, folder / "model.onnx")
    return folder
