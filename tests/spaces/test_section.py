import pytest
from pydantic import ValidationError

from spaces.section import Section


class Example(Section):
    count: int = 3
    names: tuple[str, ...] = ()


def test_an_empty_key_takes_its_default():
    assert Example.model_validate({"count": None}).count == 3


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"count": "3"}, "valid integer"),
        ({"count": True}, "valid integer"),
        ({"other": 3}, "Extra inputs"),
        ([], "valid dictionary"),
    ],
)
def test_nothing_is_coerced_or_ignored(raw, message):
    with pytest.raises(ValidationError, match=message):
        Example.model_validate(raw)


def test_it_is_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        Example().count = 4
