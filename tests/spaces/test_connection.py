import re

import pytest

from spaces.connection import CONNECT_PATTERN, Ssh, boards_from_text, connection_from_text


@pytest.mark.parametrize(
    ("text", "connection"),
    [
        ("local", None),
        ("ssh://board", Ssh("board")),
        ("ssh://mendel@192.168.100.2", Ssh("192.168.100.2", "mendel")),
        ("ssh://pi@raspberry-pi.lan:2222", Ssh("raspberry-pi.lan", "pi", 2222)),
        ("ssh://pi@[fe80::1]:22/", Ssh("fe80::1", "pi", 22)),
    ],
)
def test_where_a_device_is(text, connection):
    assert connection_from_text(text) == connection
    assert re.match(CONNECT_PATTERN, text)


@pytest.mark.parametrize("text", ["ssh://board", "ssh://pi@10.0.0.2:2222", "ssh://pi@[fe80::1]"])
def test_an_address_is_shown_as_it_is_written(text):
    assert str(connection_from_text(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "remote",
        "ssh:board",
        "ssh://",
        "ssh://user@",
        "ssh://board:",
        "ssh://board:0",
        "ssh://board:65536",
        "ssh://board:999999",
        "ssh://board/dir",
        "http://board",
        None,
        3,
        "ssh://-oProxyCommand=true",
        "ssh://-l@board",
        "ssh://a b",
        "ssh://board\n",
    ],
)
def test_what_is_neither_is_refused(text):
    with pytest.raises(ValueError, match=r"^must be local or ssh://user@host\[:port\]$"):
        connection_from_text(text)


@pytest.mark.parametrize("text", ["ssh://user:secret@board", "ssh://:secret@board:22"])
def test_a_password_is_refused(text):
    with pytest.raises(ValueError, match=r"^must not hold a password, which SSH keys replace$"):
        connection_from_text(text)


def test_several_boards_are_listed():
    assert boards_from_text("local") == ()
    assert boards_from_text("ssh://a") == (Ssh("a"),)
    assert boards_from_text(["ssh://a", "ssh://pi@a:23"]) == (Ssh("a"), Ssh("a", "pi", 23))


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        ([], "must list boards"),
        (["ssh://a", "local"], "must list boards"),
        (["ssh://a", "ssh://a"], "must list each board once"),
        (["ssh://a", 3], "must be local or ssh"),
    ],
)
def test_a_list_that_is_no_pool_is_refused(raw, rule):
    with pytest.raises(ValueError, match=rule):
        boards_from_text(raw)
