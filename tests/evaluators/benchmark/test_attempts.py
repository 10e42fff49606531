import pytest

from evaluators.benchmark.attempts import ATTEMPTS, least_disturbed
from evaluators.framing import Message


@pytest.fixture
def scripted():
    """Return a function that runs jobs whose disturbances, and peaks, are given."""

    def run(*severities, peak_bytes=1000):
        waiting, kinds = list(severities), []

        def job_runner(job):
            kinds.append(job["kind"])
            if job["kind"] == "memory":
                return Message({"peak_memory_bytes": 777}, [])
            severity = waiting.pop(0)
            reasons = ["other work"] if severity else []
            disturbance = {"reasons": reasons, "severity": severity}
            return Message({"disturbance": disturbance, "peak_memory_bytes": peak_bytes}, [])

        return least_disturbed(job_runner, {"kind": "benchmark"}).body, kinds

    return run


def test_the_first_quiet_attempt_counts(scripted):
    body, kinds = scripted(2.0, 0.0)
    assert body["disturbance"]["reasons"] == []
    assert (body["memory_method"], kinds) == ("VmHWM", ["benchmark"] * 2)


def test_where_none_is_quiet_the_least_disturbed_counts(scripted):
    body, kinds = scripted(2.0, 1.5, 3.0)
    assert body["disturbance"]["severity"] == 1.5
    assert len(kinds) == ATTEMPTS


def test_where_the_kernel_keeps_no_peak_one_more_process_looks(scripted):
    body, kinds = scripted(0.0, peak_bytes=None)
    assert body["peak_memory_bytes"] == 777
    assert body["memory_method"].startswith("private memory")
    assert kinds == ["benchmark", "memory"]
