import pytest
from pydantic import ValidationError

from spaces.dimension_from_yaml import Limits, refuse
from spaces.dimensions import Choice, Fixed, Range
from spaces.errors import Fault

ANY = Limits()
FRACTION = Limits("number", at_least=0, below=1, remedy="Use a fraction, e.g. 0.8.")
WHOLE = Limits("integer", at_least=0, remedy="Use a list, e.g. [0, 1].")
WORD = Limits("word", words=("l1", "l2"), remedy="Use a list of words.")
ANY_REMEDY = "Give a word, a number, a list of them, or {min: 0, max: 10}."


@pytest.mark.parametrize(
    ("limits", "raw", "dimension"),
    [
        (ANY, {"min": 1, "max": 4}, Range(1, 4, is_integer=True)),
        (ANY, {"min": 1, "max": 7, "step": 2}, Range(1, 7, 2, is_integer=True)),
        (ANY, {"min": 1, "max": 4.0}, Range(1.0, 4.0)),
        (ANY, {"min": 1, "max": 2, "step": 0.5}, Range(1.0, 2.0, 0.5)),
        (ANY, {"min": 1, "max": 64, "log": True}, Range(1, 64, log=True, is_integer=True)),
        (ANY, {"min": 1, "max": 64, "log": False, "step": None}, Range(1, 64, is_integer=True)),
        (ANY, {"min": 3, "max": 3}, Fixed(3)),
        (ANY, ["b", "a"], Choice(("b", "a"))),
        (ANY, [4, 1, 2], Choice((1, 2, 4), is_ordered=True)),
        (ANY, [2, 0.5], Choice((0.5, 2.0), is_ordered=True)),
        (ANY, [True, False], Choice((True, False))),
        (ANY, ["a"], Fixed("a")),
        (ANY, "a", Fixed("a")),
        (ANY, False, Fixed(False)),
        (FRACTION, {"min": 0, "max": 0.8, "step": 0.05}, Range(0.0, 0.8, 0.05)),
        (FRACTION, 0, Fixed(0.0)),
        (FRACTION, [0, 0.5], Choice((0.0, 0.5), is_ordered=True)),
        (WHOLE, [0, 1, 2, 4], Choice((0, 1, 2, 4), is_ordered=True)),
        (WORD, ["l2", "l1"], Choice(("l2", "l1"))),
        (WORD, "l1", Fixed("l1")),
    ],
)
def test_what_is_written_becomes_a_dimension(limits, raw, dimension):
    parsed = limits.dimension(raw)
    assert parsed == dimension
    assert repr(parsed) == repr(dimension)  # 1 == 1.0, but an integer range isn't a float one


@pytest.mark.parametrize(
    ("limits", "raw", "faults"),
    [
        (FRACTION, 1.2, [((), "must be in [0, 1)", "1.2", "Use a fraction, e.g. 0.8.")]),
        (FRACTION, -0.1, [((), "must be in [0, 1)", "-0.1", "Use a fraction, e.g. 0.8.")]),
        (FRACTION, "half", [((), "must be a number", "'half'", "Use a fraction, e.g. 0.8.")]),
        (FRACTION, True, [((), "must be a number", "true", "Use a fraction, e.g. 0.8.")]),
        (
            FRACTION,
            {"min": 0, "max": 1.2},
            [(("max",), "must be in [0, 1)", "1.2", "Use a fraction, e.g. 0.8.")],
        ),
        (
            FRACTION,
            [0.5, 1.5, float("nan")],
            [
                ((1,), "must be in [0, 1)", "1.5", "Use a fraction, e.g. 0.8."),
                (
                    (2,),
                    "must be a finite number of at most 2**53",
                    ".nan",
                    "Use a fraction, e.g. 0.8.",
                ),
            ],
        ),
        (WHOLE, 1.5, [((), "must be a whole number", "1.5", "Use a list, e.g. [0, 1].")]),
        (WHOLE, -1, [((), "must be at least 0", "-1", "Use a list, e.g. [0, 1].")]),
        (
            WHOLE,
            {"min": 0, "max": 4, "step": 0.5},
            [(("step",), "must be a whole number", "0.5", "Leave step out for no grid.")],
        ),
        (WORD, "l3", [((), "must be l1 or l2", "'l3'", "Use l1 or l2.")]),
        (WORD, 3, [((), "must be a word", "3", "Use a list of words.")]),
        (
            WORD,
            {"min": 0, "max": 1},
            [((), "must be a word or a list of words", "{min: 0, max: 1}", "Use a list of words.")],
        ),
        (
            ANY,
            None,
            [((), "must be a word, a number, true or false", "nothing", ANY_REMEDY)],
        ),
        (ANY, "", [((), "must be a word, a number, true or false", "''", ANY_REMEDY)]),
        (
            ANY,
            2**53 + 1,
            [((), "must be a finite number of at most 2**53", str(2**53 + 1), ANY_REMEDY)],
        ),
        (
            ANY,
            {"min": 0, "max": float("inf")},
            [(("max",), "must be a finite number of at most 2**53", ".inf", ANY_REMEDY)],
        ),
        (
            ANY,
            {"min": "a", "max": 3},
            [(("min",), "must be a number", "'a'", ANY_REMEDY)],
        ),
        (ANY, [], [((), "must not be an empty list", "", "Name at least one value.")]),
        (ANY, ["a", "a"], [((1,), "must not repeat a value", "'a'", "Keep one of them.")]),
        (ANY, [1, 1.0], [((1,), "must not repeat a value", "1.0", "Keep one of them.")]),
        (
            ANY,
            [1, True],
            [
                (
                    (),
                    "must hold only words, only numbers or only booleans",
                    "[1, true]",
                    "Quote a number or on/off/yes/no to make it a word.",
                )
            ],
        ),
        (
            ANY,
            {},
            [
                (
                    (),
                    "must have min and max",
                    "{}",
                    "Write {min: 0, max: 10}, with step or log where wanted.",
                )
            ],
        ),
        (
            ANY,
            {"min": 3, "max": None},
            [
                (
                    (),
                    "must have max",
                    "{min: 3, max: nothing}",
                    "Write {min: 0, max: 10}, with step or log where wanted.",
                )
            ],
        ),
        (ANY, {"min": 3, "max": 1}, [(("max",), "must be at least min (3)", "1", "Swap the two.")]),
        (
            ANY,
            {"min": 0, "max": 1, "step": 0},
            [(("step",), "must be above 0", "0", "Leave step out for no grid.")],
        ),
        (
            ANY,
            {"min": 0, "max": 1, "step": -0.5},
            [(("step",), "must be above 0", "-0.5", "Leave step out for no grid.")],
        ),
        (
            ANY,
            {"min": 0, "max": 9, "log": True},
            [
                (
                    ("min",),
                    "must be above 0 on a log scale",
                    "0",
                    "Raise min above 0, or leave log out.",
                )
            ],
        ),
        (
            ANY,
            {"min": 1, "max": 9, "log": True, "step": 2},
            [
                (
                    ("step",),
                    "must be left out on a log scale",
                    "2",
                    "Leave one of them out, or list the values.",
                )
            ],
        ),
        (
            ANY,
            {"min": 1, "max": 9, "log": "yes please"},
            [
                (
                    ("log",),
                    "must be true or false",
                    "'yes please'",
                    "Leave log out for an even scale.",
                )
            ],
        ),
        (
            FRACTION,
            {"min": 0.1, "max": 0.8, "step": 0.3},
            [
                (
                    ("step",),
                    "must divide max - min (0.7), so that max is reached",
                    "0.3",
                    "Use max: 0.7, or another step.",
                )
            ],
        ),
        (
            ANY,
            {"min": 0, "max": 3, "step": 5},
            [
                (
                    ("step",),
                    "must divide max - min (3), so that max is reached",
                    "5",
                    "Use a smaller step.",
                )
            ],
        ),
        (
            ANY,
            {"min": 0, "max": 3, "stepp": 5, "steps": 1},
            [
                (("stepp",), "is not a key of a range", "", "Did you mean step?"),
                (("steps",), "is not a key of a range", "", "Did you mean step?"),
            ],
        ),
        (
            ANY,
            {"low": 0, "high": 1, "q": 2},
            [
                (("low",), "is not a key of a range", "", "Write min instead of low."),
                (("high",), "is not a key of a range", "", "Write max instead of high."),
                (("q",), "is not a key of a range", "", "Write step instead of q."),
            ],
        ),
    ],
)
def test_every_fault_is_found_at_its_key(limits, raw, faults):
    assert list(limits.faults(raw)) == [Fault(*fault) for fault in faults]
    with pytest.raises(ValidationError, match=f"{len(faults)} validation error"):
        limits.dimension(raw)


@pytest.mark.parametrize("item", [[1], {"a": 1}, None])
def test_a_choice_holds_plain_values_only(item):
    rules = [fault.rule for fault in ANY.faults(["a", item])]
    assert "must be a word, a number, true or false" in rules


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        (Limits("number", above=0, at_most=1), "must be in (0, 1]"),
        (Limits("number", at_least=0, at_most=1), "must be in [0, 1]"),
        (Limits("number", above=0), "must be above 0"),
        (Limits("number", at_least=1), "must be at least 1"),
    ],
)
def test_a_rule_is_written_as_an_interval(limits, rule):
    assert limits.rule() == rule


def test_refuse_is_silent_without_faults():
    refuse([])


def test_the_json_schema_offers_every_way_to_write_a_fraction():
    number = {"type": "number", "minimum": 0, "exclusiveMaximum": 1}
    scalar, choice, values = FRACTION.json_schema()["anyOf"]
    assert scalar == number
    assert choice == {"type": "array", "items": number, "minItems": 1, "uniqueItems": True}
    assert values["required"] == ["min", "max"]
    assert values["properties"]["max"] == number
    assert set(values["properties"]) == {"min", "max", "step", "log"}


def test_the_json_schema_of_words_has_no_range():
    words = {"enum": ["l1", "l2"]}
    assert WORD.json_schema() == {
        "anyOf": [
            words,
            {"type": "array", "items": words, "minItems": 1, "uniqueItems": True},
        ]
    }
