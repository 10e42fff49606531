"""The real optuna-dashboard on a real run, as the README starts it, looked at in a real browser."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from search.study_attributes import PROVENANCE, RECORD
from tests.browser import needs_browser
from tests.search.runs import study_of, wait_for_line
from tests.sshd import free_port, listens, wait_for

pytestmark = pytest.mark.measures  # a browser beside it would disturb what is timed

README = (Path(__file__).parents[2] / "README.md").read_text().replace("\\\n", " ")
PATHS = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
DASHBOARD = shutil.which("optuna-dashboard", path=PATHS)
needs_dashboard = pytest.mark.skipif(
    DASHBOARD is None, reason="no optuna-dashboard: the extra `dev` brings it"
)
N_TRIALS = 4
# Infeasible trials are grey in every plot of the dashboard.
GREY_TRIALS = """(() => {
  const plot = document.querySelector("#graph-pareto-front .js-plotly-plot, #graph-pareto-front");
  const grey = (plot?.data ?? []).find(({marker}) => marker.color === "#cccccc");
  return grey?.text.map((each) => JSON.parse(each.replaceAll("<br>", " ")).number);
})()"""
DOWNLOADED = """(async () => {
  const file = await fetch(document.querySelector("a[download]").href);
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
})()"""


@pytest.fixture
def dashboard(tmp_path):
    """Return a function that serves the run in ``r`` by the README's command; gives its address."""

    def serve():
        line = re.search(r"^\.venv/bin/(optuna-dashboard .*)$", README, re.MULTILINE)
        words = shlex.split(line[1].replace("runs/coral", "r"))
        port = free_port()
        process = subprocess.Popen(
            [DASHBOARD, *words[1:], "--port", str(port)], cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        begun.append(process)
        wait_for(lambda: listens(port), 60)
        return f"http://127.0.0.1:{port}/dashboard/studies/1"

    begun = []
    yield serve
    for process in begun:
        process.kill()
        process.wait()


@pytest.mark.long
@needs_browser
@needs_dashboard
@pytest.mark.timeout(600)  # it took 157 s on two cores under a load of 8
def test_the_dashboard_shows_a_run_while_it_goes_on(
    tiny_space, start, dashboard, browser, tmp_path
):
    # the first trial is the unpruned model at fp32, which such a bound rules out
    space = tiny_space(
        {"constraints": {"model_size_mib": {"max_ratio": 0.9}}, "budget.trials": N_TRIALS}
    )
    process = start("--space", space, "--run", "r")
    wait_for_line(process, f"[1/{N_TRIALS}]")
    address = dashboard()

    browser.open(f"{address}/trials")
    browser.until("document.body.innerText.includes(' Trials\\n')")
    assert process.stdout.read().count("locked") == 0
    assert process.wait() == 0
    browser.until(f"document.body.innerText.includes('{N_TRIALS} Trials\\n')")  # by itself

    browser.open(address)
    trials = study_of(tmp_path / "r").trials
    infeasible = [t.number for t in trials if any(c > 0 for c in t.constraints.values())]
    assert 0 in infeasible
    assert len(infeasible) < N_TRIALS
    assert browser.until(GREY_TRIALS) == infeasible
    for name in ("latency_p90_ms", "model_size_mib"):
        assert browser.run(f"document.body.innerText.includes('{name}')")

    browser.open(f"{address}/trials?numbers=1")
    browser.until("document.querySelector('a[download]') !== null")
    assert browser.run(DOWNLOADED) == trials[1].user_attrs[RECORD]["artifact_sha256"]
    assert f'{PROVENANCE} {{"latency_p90_ms": "measured"' in browser.run("document.body.innerText")
    assert browser.complaints == []
    origin = address.partition("/dashboard")[0]
    assert [url for url in browser.requests if not url.startswith((origin, "data:", "blob:"))] == []
