"""Let Olive search for as long as it may, and say which models it evaluated.

Run by a Python that has olive-ai, which needn't have this program's packages::

    python run_olive.py REQUEST.json ANSWER.json

It searches static quantization over all that Olive searches there by default, and then the
session's threads and optimization level, both together with its TPE and its own measurements. Each
model of the answer has Olive's own figures::

    {"file": "/.../model.onnx", "session": {"intra_op_num_threads": 2, ...},
     "accuracy": 0.93, "latency_p90_ms": 0.81}
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import olive
from olive.data.component.dataset import BaseDataset
from olive.data.registry import Registry
from olive.search.search_parameter import Categorical

OPTIMIZE_BASIC, OPTIMIZE_ALL = 1, 99
"""Levels as ONNX Runtime numbers them."""
_ACCURACY, _LATENCY = "accuracy-accuracy_score", "latency-p90"


def main(request: str, answer: str) -> None:
    """Read the request, search, write the answer."""
    asked = json.loads(Path(request).read_text())
    folder = Path(answer).parent / "olive"
    Registry.register_dataset()(labelled_images)
    olive.run(_config(asked, folder), tempdir=str(folder))
    footprint = json.loads((folder / "out" / "footprint.json").read_text())
    Path(answer).write_text(json.dumps(evaluated_models(footprint), indent=1))


def labelled_images(images: str, labels: str, **_: Any) -> Any:
    """Return the samples as Olive wants them: one input by name, and a label."""
    arrays = np.load(images), np.load(labels)
    return BaseDataset([({"image": image}, label) for image, label in zip(*arrays, strict=True)])


def evaluated_models(footprint: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what Olive measured, without the model that it was given."""
    found = []
    for node in footprint["nodes"].values() if "nodes" in footprint else footprint.values():
        if node["parent_model_id"] is None or not node["metrics"]:
            continue
        config = node["model_config_data"]["config"]
        values = node["metrics"]["value"]
        found.append(
            {
                "file": config["model_path"],
                "session": (config["inference_settings"] or {}).get("session_options", {}),
                "accuracy": values[_ACCURACY]["value"],
                "latency_p90_ms": values[_LATENCY]["value"],
            }
        )
    return found


def _config(asked: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return the workflow; every part that is named here is Olive's own."""
    system = {
        "type": "LocalSystem",
        "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
    }
    tuning = {
        "type": "OrtSessionParamsTuning",
        "data_config": "validation",
        "intra_thread_num_list": Categorical(list(range(1, asked["threads"] + 1))),
        "opt_level_list": Categorical([OPTIMIZE_BASIC, OPTIMIZE_ALL]),
        "execution_mode_list": 0,
    }
    return {
        "input_model": {"type": "ONNXModel", "model_path": asked["model"]},
        "systems": {"here": system},
        "data_configs": [_data(asked, split) for split in ("calibration", "validation")],
        "evaluators": {"both": {"type": "OnnxEvaluator", "metrics": _metrics(asked)}},
        "passes": {
            "quantization": {"type": "OnnxStaticQuantization", "data_config": "calibration"},
            "tuning": tuning,
        },
        "search_strategy": {
            "execution_order": "joint",
            "sampler": "tpe",
            "sampler_config": {"seed": asked["seed"]},
            "max_time": asked["seconds"],
        },
        "host": "here",
        "target": "here",
        "evaluator": "both",
        "cache_dir": str(folder / "cache"),
        "output_dir": str(folder / "out"),
    }


def _data(asked: dict[str, Any], split: str) -> dict[str, Any]:
    files = {"images": asked[f"{split}_images"], "labels": asked[f"{split}_labels"]}
    return {
        "name": split,
        "type": "DataContainer",
        "load_dataset_config": {"type": "labelled_images", **files},
        "pre_process_data_config": {"type": "skip_pre_process"},
        "post_process_data_config": {"type": "text_classification_post_process"},
        "dataloader_config": {"type": "default_dataloader", "batch_size": 1},
    }


def _metrics(asked: dict[str, Any]) -> list[dict[str, Any]]:
    task = {"task": "multiclass", "num_classes": asked["classes"]}
    goal = {"type": "max-degradation", "value": asked["largest_drop"]}
    accuracy = {"name": "accuracy_score", "priority": 1, "metric_config": task, "goal": goal}
    latency = {"name": "p90", "priority": 2}
    return [
        {
            "name": "accuracy",
            "type": "accuracy",
            "data_config": "validation",
            "sub_types": [accuracy],
        },
        {
            "name": "latency",
            "type": "latency",
            "data_config": "validation",
            "sub_types": [latency],
        },
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
