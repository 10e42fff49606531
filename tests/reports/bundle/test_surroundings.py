from reports.bundle.facts import bundle_facts
from reports.bundle.surroundings import dockerfile, requirements


def test_requirements_pin_what_was_measured_and_nothing_else(exported):
    facts = bundle_facts(exported)
    lines = requirements(facts).splitlines()
    assert lines[0] == "# The versions that were measured, on Python 3.11.7."
    assert lines[1:] == ["numpy==2.4.1", f"openvino=={facts['runtime']['version']}"]


def test_the_image_has_the_python_and_verifies(exported):
    text = dockerfile(bundle_facts(exported))
    assert "FROM python:3.11-slim\n" in text
    assert text.endswith('ENTRYPOINT ["python", "run.py"]\nCMD ["--verify"]\n')
    assert "libedgetpu" not in text


def test_an_edge_tpu_needs_more_than_python_packages(stand_in):
    assert "libedgetpu" in dockerfile(bundle_facts(stand_in))
