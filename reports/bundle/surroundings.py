"""What a bundle runs in: its requirements.txt and its Dockerfile."""

from __future__ import annotations

from typing import Any

_EDGETPU = """\
# The Edge TPU needs Google's libedgetpu in here, and the device: docker run --device /dev/bus/usb
# or --device /dev/apex_0. Without it `run.py` says what is missing.
"""


def requirements(facts: dict[str, Any]) -> str:
    """Return requirements.txt for a bundle.json: the versions that were measured."""
    runtime = facts["runtime"]
    packages = {"numpy": facts["versions"]["numpy"], runtime["distribution"]: runtime["version"]}
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
{_EDGETPU if facts["engine"] == "edgetpu" else ""}\
FROM python:{python}-slim
WORKDIR /bundle
COPY requirements.txt .
RUN python -m pip install --no-cache-dir --requirement requirements.txt
COPY . .
ENTRYPOINT ["python", "run.py"]
CMD ["--verify"]
"""
