import math

import pytest

from spaces.errors import Fault, Problem, Source, SpaceError, nearest, one_of, shown, suggest


def test_a_problem_reads_as_one_line():
    problem = Problem(
        "spaces/coral.yaml",
        21,
        "search.sparsity.max",
        "must be in [0, 1)",
        "1.2",
        "Use a fraction, e.g. 0.8.",
    )
    assert str(problem) == (
        "spaces/coral.yaml:21: search.sparsity.max must be in [0, 1), but got 1.2. "
        "Use a fraction, e.g. 0.8."
    )


def test_a_problem_without_line_key_or_value_leaves_them_out():
    assert (
        str(Problem("--set", None, "", "must be so", "", "Do so.")) == "--set: must be so. Do so."
    )


def test_the_error_lists_every_problem():
    problems = [Problem("a.yaml", line, "k", "must be so", "", "Do so.") for line in (1, 2)]
    error = SpaceError(problems)
    assert error.problems == tuple(problems)
    assert str(error) == "a.yaml:1: k must be so. Do so.\na.yaml:2: k must be so. Do so."


@pytest.mark.parametrize(
    ("path", "where"),
    [
        (("a", "b"), "f.yaml:3: a.b"),
        (("a", "b", 0), "f.yaml:4: a.b"),
        (("a", "missing"), "f.yaml:2: a.missing"),
        (("missing",), "f.yaml:1: missing"),
        (("a", "c"), "--set: a.c"),
        (("a", "c", "inside"), "--set: a.c.inside"),
    ],
)
def test_a_fault_is_located_at_the_nearest_known_key(path, where):
    lines = {(): 1, ("a",): 2, ("a", "b"): 3, ("a", "b", 0): 4}
    source = Source("f.yaml", lines, frozenset({("a", "c")}))
    problem = source.problem(Fault(path, "must be so", "3", "Do so."))
    assert str(problem) == f"{where} must be so, but got 3. Do so."


def test_a_fault_of_an_unknown_source_has_no_line():
    assert Source("f.yaml").problem(Fault(("a",), "r", "", "s")).line is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (1.2, "1.2"),
        ("a b", "'a b'"),
        (math.inf, ".inf"),
        (-math.inf, "-.inf"),
        (math.nan, ".nan"),
        ([1, "a", {"b": False}], "[1, 'a', {b: false}]"),
        ((), "[]"),
    ],
)
def test_values_are_shown_as_yaml_writes_them(value, text):
    assert shown(value) == text


def test_a_long_value_is_cut():
    text = shown("x" * 500)
    assert len(text) == 60
    assert text.endswith("xxx...")


def test_quotes_can_be_left_out():
    assert shown(["a", 1], quote="") == "[a, 1]"


@pytest.mark.parametrize(
    ("word", "remedy"),
    [
        ("trails", "Did you mean trials?"),
        ("xyz", "Use trials or timeout."),
        (3, "Use trials or timeout."),
    ],
)
def test_suggest_names_the_nearest_word_or_all(word, remedy):
    assert suggest(word, ["trials", "timeout"]) == remedy


def test_nearest_is_none_for_a_word_like_no_other():
    assert nearest("xyz", ["trials"]) is None


def test_one_of_joins_words():
    assert [one_of(["a"]), one_of(["a", "b", "c"])] == ["a", "a, b or c"]
