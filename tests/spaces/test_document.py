import math
from itertools import pairwise

import pytest

from spaces.document import MAX_CHARACTERS, parse_document

SYNTAX = "Check the indentation, colons, brackets and quotes there."


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.5E+2", 150.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("-3", -3),
        ("010", 10),
        ("on", True),
        ("No", False),
        ("TRUE", True),
        ("~", None),
        ("", None),
        ("null", None),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("auto", "auto"),
        ("-.inf", -math.inf),
        (".INF", math.inf),
        ("1e999", math.inf),
        ("9" * 25, 1e25),
        ("9" * 5000, math.inf),
        ("[a, [1]]", ["a", [1]]),
    ],
)
def test_plain_words_become_values(text, value):
    document = parse_document(f"key: {text}", "f.yaml")
    assert document.problems == []
    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)


def test_not_a_number_is_read():
    assert math.isnan(parse_document(".nan", "f.yaml").data)


def test_every_value_has_its_line():
    document = parse_document("a: 1\nb:\n  c:\n    - x\n    - y: 2\n", "f.yaml")
    assert document.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", "c"): 3,
        ("b", "c", 0): 4,
        ("b", "c", 1): 5,
        ("b", "c", 1, "y"): 5,
    }


def test_an_alias_has_the_line_of_its_own_key():
    document = parse_document("a: &x [1]\nb: *x\n", "f.yaml")
    assert document.data == {"a": [1], "b": [1]}
    assert document.lines["b",] == 2


def test_keys_are_text_even_where_they_look_like_values():
    assert parse_document("{on: 1, 1: 2, ~: 3}", "f.yaml").data == {"on": 1, "1": 2, "~": 3}


def test_an_empty_text_is_none_without_a_problem():
    document = parse_document("# nothing\n", "f.yaml")
    assert (document.data, document.problems) == (None, [])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "a: 1\nb: c: d",
            (
                f"f.yaml:2: the file must be valid YAML (column 5: mapping values are not allowed "
                f"here). {SYNTAX}"
            ),
        ),
        (
            "a:\n\t- b",
            (
                "f.yaml:2: the file must be valid YAML (column 1: while "
                "scanning for the next token: "
                f"found character '\\t' that cannot start any token). {SYNTAX}"
            ),
        ),
        (
            "a: *nope",
            (
                "f.yaml:1: the file must be valid YAML (column 4: found undefined alias 'nope'). "
                f"{SYNTAX}"
            ),
        ),
        (
            "a: 1\n---\nb: 2",
            (
                "f.yaml:2: the file must be valid YAML (column 1: expected a "
                "single document in the "
                f"stream: but found another document). {SYNTAX}"
            ),
        ),
        (
            "[" * 1000,
            f"f.yaml:1: the file must be valid YAML (column 20: nested too deep). {SYNTAX}",
        ),
        (
            "a: &x [*x]",
            (
                "f.yaml:1: the file must be valid YAML (column 4: over 10000 values or 20 levels, "
                f"aliases expanded). {SYNTAX}"
            ),
        ),
        (
            "a: 1\nb: \x01",
            "f.yaml:2: the file must be text, but has the character #x0001. Save it as UTF-8 text.",
        ),
        (
            "x" * (MAX_CHARACTERS + 1),
            "f.yaml: the file must be at most 65536 characters long. Is it a space file?",
        ),
    ],
)
def test_a_text_that_is_no_yaml_says_where(text, line):
    document = parse_document(text, "f.yaml")
    assert document.data is None
    assert [str(problem) for problem in document.problems] == [line]


def test_aliases_that_expand_to_billions_are_refused():
    names = "abcdefghi"
    levels = [f"{names[0]}: &{names[0]} [x, x, x, x, x, x, x, x, x]"]
    levels += [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in pairwise(names)
    ]
    document = parse_document("\n".join(levels), "f.yaml")
    assert document.data is None
    assert "over 10000 values or 20 levels, aliases expanded" in str(document.problems[0])


def test_a_repeated_key_names_both_lines():
    document = parse_document("a: 1\nb: {c: 2}\na: 3\n", "f.yaml")
    assert document.data == {"a": 1, "b": {"c": 2}}
    assert [str(problem) for problem in document.problems] == [
        "f.yaml:3: a is already given on line 1. Keep one of them."
    ]


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("!!python/object/apply:os.system ['true']", "!!python/object/apply:os.system"),
        ("!!python/name:os.system", "!!python/name:os.system"),
        ("!mine 3", "!mine"),
        ("!!set {a}", "!!set"),
        ("!!int three", "!!int"),
    ],
)
def test_tags_are_refused_and_build_nothing(text, tag):
    document = parse_document(f"a: 1\nb: {text}", "f.yaml")
    assert [str(problem) for problem in document.problems] == [
        f"f.yaml:2: b must be a plain value, not one with the tag {tag}. Leave the tag out."
    ]
    assert isinstance(document.data["b"], str | list | dict)


def test_a_list_as_a_key_is_refused():
    document = parse_document("a:\n  ? [1]\n  : 2\n", "f.yaml")
    assert [str(problem) for problem in document.problems] == [
        "f.yaml:2: a must have only words for keys. Write key: value."
    ]
