import pytest

from spaces.document import parse_document
from spaces.errors import Fault
from spaces.overrides import apply_overrides

TEXT = """\
name: tiny
budget:
search:
  sparsity: {stem: 0.1, layer1.0: 0.2}
"""


@pytest.fixture
def document():
    return parse_document(TEXT, "f.yaml")


def located(source, *path):
    problem = source.problem(Fault(path, "r", "", "s"))
    return problem.file, problem.line


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("name=other", ("name",), "other"),
        ("name=a=b", ("name",), "a=b"),
        ("budget.trials=3", ("budget", "trials"), 3),
        ("limits.memory=8GiB", ("limits", "memory"), "8GiB"),
        ("search.sparsity={min: 0, max: 0.5}", ("search", "sparsity"), {"min": 0, "max": 0.5}),
        ("search.sparsity.stem=0.3", ("search", "sparsity", "stem"), 0.3),
        ("search.sparsity.layer1.0=0.3", ("search", "sparsity", "layer1.0"), 0.3),
        ("search.sparsity.layer2.0=[0, 0.3]", ("search", "sparsity", "layer2", "0"), [0, 0.3]),
    ],
)
def test_a_value_is_put_where_the_key_leads(document, override, path, value):
    source = apply_overrides(document, [override], "f.yaml")
    found = document.data
    for key in path:
        found = found[key]
    assert found == value
    assert document.problems == []
    assert located(source, *path) == ("--set", None)


def test_the_rest_keeps_its_lines(document):
    source = apply_overrides(document, ["search.sparsity.stem=0.3"], "f.yaml")
    assert located(source, "search", "sparsity", "layer1.0") == ("f.yaml", 4)
    assert located(source, "search", "sparsity") == ("f.yaml", 4)
    assert located(source, "name") == ("f.yaml", 1)


def test_what_a_value_replaces_loses_its_lines(document):
    source = apply_overrides(document, ["search.sparsity={stem: 0.3}"], "f.yaml")
    assert located(source, "search", "sparsity", "stem") == ("--set", None)


def test_a_section_that_is_new_is_an_overrides_too(document):
    source = apply_overrides(document, ["limts.memory=8GiB"], "f.yaml")
    assert located(source, "limts") == ("--set", None)


def test_an_empty_value_leaves_the_key_out(document):
    apply_overrides(document, ["name="], "f.yaml")
    assert "name" not in document.data


def test_the_later_one_wins(document):
    apply_overrides(document, ["budget.trials=3", "budget.trials=4"], "f.yaml")
    assert document.data["budget"] == {"trials": 4}


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("name", "--set: must be KEY=VALUE, but got 'name'. Write e.g. --set budget.trials=10."),
        ("=3", "--set: must be KEY=VALUE, but got '=3'. Write e.g. --set budget.trials=10."),
        (
            "a..b=3",
            "--set: must be KEY=VALUE, but got 'a..b=3'. Write e.g. --set budget.trials=10.",
        ),
        (
            "name.first=3",
            (
                "--set: name must be a mapping of keys, but got 'tiny'. "
                "Set it whole: --set 'name={first: ...}'."
            ),
        ),
        (
            "search.sparsity.stem.max=0.5",
            (
                "--set: search.sparsity.stem must be a mapping of keys, but got 0.1. "
                "Set it whole: --set 'search.sparsity.stem={max: ...}'."
            ),
        ),
        (
            "name=[",
            (
                "--set: name must be valid YAML (column 2: while parsing a flow node: expected the "
                "node content, but found '<stream end>'). "
                "Check the indentation, colons, brackets and quotes there."
            ),
        ),
        (
            "name=!!python/name:os.system",
            (
                "--set: name must be a plain value, not one with the tag !!python/name:os.system. "
                "Leave the tag out."
            ),
        ),
    ],
)
def test_an_override_that_leads_nowhere_changes_nothing(document, override, line):
    apply_overrides(document, [override], "f.yaml")
    assert [str(problem) for problem in document.problems] == [line]
    assert document.data == parse_document(TEXT, "f.yaml").data
