from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from evaluators.export import onnx_check
from evaluators.export.onnx_check import check_onnx, import_onnx
from evaluators.failures import InputError
from tests.evaluators.export.onnx_models import (
    WEIGHT,
    answer,
    branching_model,
    make_model,
    refused,
)


def externalize(tensor, location, **fields):
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, **fields}.items():
        tensor.external_data.add(key=key, value=text)
    return tensor


def external_model(location, **fields):
    return make_model(weight=externalize(numpy_helper.from_array(WEIGHT, "w"), location, **fields))


@pytest.mark.parametrize(
    "location",
    ["../secret.bin", "a/../../secret.bin", "/etc/hostname", "..\\secret.bin", "C:\\a.bin", ""],
)
def test_a_path_out_of_the_folder_is_refused(location, save, out_dir, tmp_path):
    (tmp_path / "secret.bin").write_bytes(WEIGHT.tobytes())
    (tmp_path / "given" / "a").mkdir()
    path = save(external_model(location))
    refused(path, out_dir, "one relative path inside the model's own folder")


@pytest.mark.parametrize("link", ["symlink", "hard link", "folder link"])
def test_a_link_to_elsewhere_is_refused(link, save, out_dir, tmp_path):
    secret = tmp_path / "elsewhere" / "w.bin"
    secret.parent.mkdir()
    secret.write_bytes(WEIGHT.tobytes())
    path = save(external_model("sub/w.bin"))
    if link == "folder link":
        (path.parent / "sub").symlink_to(secret.parent)
    else:
        (path.parent / "sub").mkdir()
        here = path.parent / "sub" / "w.bin"
        here.symlink_to(secret) if link == "symlink" else here.hardlink_to(secret)
    refused(path, out_dir, r"plain file, and no link\. Replace the link by a copy")


def test_a_missing_file_and_an_impossible_name_are_refused(save, out_dir):
    refused(save(external_model("w.bin")), out_dir, "No such file")
    refused(save(external_model("w\0.bin")), out_dir, "null byte")
    refused(save(external_model("w" * 5000)), out_dir, "name too long")


def test_a_folder_is_no_data(save, out_dir):
    path = save(external_model("sub"))
    (path.parent / "sub").mkdir()
    refused(path, out_dir, "plain file")


def test_two_locations_are_refused(save, out_dir):
    model = external_model("../secret.bin")
    model.graph.initializer[0].external_data.add(key="location", value="w.bin")
    path = save(model)
    (path.parent / "w.bin").write_bytes(WEIGHT.tobytes())
    refused(path, out_dir, "one relative path")


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"offset": "0", "length": "40"}, "ends at byte 36, before 40. It is truncated"),
        ({"offset": "90"}, "ends at byte 36, before 90"),
        ({"offset": "-1"}, "whole numbers, and one is '-1'"),
        ({"length": "9" * 5000}, "whole numbers"),
    ],
)
def test_a_range_beyond_the_file_is_refused(fields, match, save, out_dir):
    path = save(external_model("w.bin", **fields))
    (path.parent / "w.bin").write_bytes(WEIGHT.tobytes())
    refused(path, out_dir, match)


def test_too_few_bytes_for_the_shape_are_refused(save, out_dir):
    path = save(external_model("w.bin", length="8"))
    (path.parent / "w.bin").write_bytes(WEIGHT.tobytes())
    with pytest.raises(InputError, match=r"given\.onnx: .* too small"):
        import_onnx(path, 1, out_dir)
    assert list(out_dir.iterdir()) == []


def test_a_subgraphs_tensor_is_found(save, out_dir):
    model = branching_model()
    branches = {attribute.name: attribute.g for attribute in model.graph.node[3].attribute}
    externalize(branches["then_branch"].node[0].attribute[0].t, "../secret.bin")
    refused(save(model), out_dir, "'bias' keeps its data in '../secret.bin'")


def test_a_functions_tensor_is_found(save, out_dir):
    constant = helper.make_node(
        "Constant", [], ["c"], value=externalize(numpy_helper.from_array(WEIGHT, "k"), "/k")
    )
    body = [constant, helper.make_node("MatMul", ["a", "c"], ["b"])]
    opset = [helper.make_opsetid("", 20)]
    model = make_model([helper.make_node("Own", ["x"], ["y"], domain="own")])
    model.functions.append(helper.make_function("own", "Own", ["a"], ["b"], body, opset))
    model.opset_import.append(helper.make_opsetid("own", 1))
    refused(save(model), out_dir, "'k' keeps its data in '/k'")


def test_a_sparse_tensor_is_found(save, out_dir):
    values = externalize(numpy_helper.from_array(WEIGHT[0], "v"), "/v")
    indices = numpy_helper.from_array(np.arange(3), "i")
    sparse = helper.make_sparse_tensor(values, indices, [3, 3])
    refused(save(make_model(sparse_initializer=[sparse])), out_dir, "'v' keeps its data in")


def test_more_than_a_protobuf_holds_is_refused(monkeypatch, save, out_dir):
    monkeypatch.setattr(onnx_check, "LARGEST_ONNX_BYTES", 100)
    path = save(external_model("w.bin"))
    (path.parent / "w.bin").write_bytes(WEIGHT.tobytes())
    refused(path, out_dir, "must fit into 2 GiB")


def test_import_moves_it_into_the_model(save, out_dir):
    path = save(external_model("sub/w.bin", offset="4", length="36"))
    (path.parent / "sub").mkdir()
    (path.parent / "sub" / "w.bin").write_bytes(b"skip" + WEIGHT.tobytes())
    check_onnx(path)
    import_onnx(path, 2, out_dir)
    assert [found.name for found in out_dir.iterdir()] == ["model.onnx"]
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(answer(out_dir, x), x @ WEIGHT)
