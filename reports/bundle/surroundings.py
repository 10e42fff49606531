"""What a bundle runs in: its requirements.txt and its Dockerfile."""

from __future__ import annotations

from typing import Any

from evaluators.engines.ort.providers import NVIDIA, provider_of

_EDGETPU = """\
# The Edge TPU needs Google's libedgetpu in here, and the device: docker run --device /dev/bus/usb
# or --device /dev/apex_0. Without it `run.py` says what is missing.
"""
_NVIDIA = """\
# The GPU needs NVIDIA's Container Toolkit on the host, and in here: docker run --gpus all
"""
_TENSORRT = """\
# TensorRT's libraries have to come into the image, too: start from one of NVIDIA's that has them.
"""
_CUDA_EXTRAS = {"onnxruntime-gpu": "[cuda,cudnn]"}
"""What brings CUDA's libraries into an image that hasn't them, for the provider ``cuda``."""


def requirements(facts: dict[str, Any]) -> str:
    """Return requirements.txt for a bundle.json: the versions that were measured."""
    runtime = facts["runtime"]
    extras = _CUDA_EXTRAS.get(runtime["distribution"], "") if _provider(facts) == "cuda" else ""
    name = runtime["distribution"] + extras
    packages = {"numpy": facts["versions"]["numpy"], name: runtime["version"]}
    pinned = "".join(f"{name}=={version}\n" for name, version in sorted(packages.items()))
    return f"# The versions that were measured, on Python {facts['versions']['python']}.\n{pinned}"


def dockerfile(facts: dict[str, Any]) -> str:
    """Return a Dockerfile whose image verifies the bundle, and runs it with other arguments."""
    python = ".".join(facts["versions"]["python"].split(".")[:2])
    machine = facts["device"]["environment"]["machine"]
    name = f"{facts['run']}-{facts['trial']}".lower()
    return f"""\
# docker build --tag {name} . && docker run --rm {name}
# Measured on {machine}: another processor's image is another program.
{_accelerator(facts)}\
FROM python:{python}-slim
WORKDIR /bundle
COPY requirements.txt .
RUN python -m pip install --no-cache-dir --requirement requirements.txt
COPY . .
ENTRYPOINT ["python", "run.py"]
CMD ["--verify"]
"""


def _accelerator(facts: dict[str, Any]) -> str:
    """Return what an image needs beside Python packages."""
    if facts["engine"] == "edgetpu":
        return _EDGETPU
    runtime = "tensorrt" if facts["engine"] == "tensorrt" else _provider(facts)
    if runtime not in NVIDIA:
        return ""
    return _NVIDIA if runtime == "cuda" else _NVIDIA + _TENSORRT


def _provider(facts: dict[str, Any]) -> str | None:
    """Return ONNX Runtime's execution provider; None with another engine."""
    return provider_of(facts["flags"]) if facts["engine"] == "onnxruntime" else None
