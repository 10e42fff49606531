import pytest

from evaluators.failures import DeviceLost
from evaluators.meters.sysfs import read_integer, read_word, unreadable_reason


def test_words_come_without_their_line_end(tree):
    tree["name"] = "amdgpu"
    assert read_word(str(tree), "name") == "amdgpu"
    assert read_word(str(tree), "label") == ""


def test_numbers_may_be_negative(tree):
    tree["curr1_input"] = -16
    assert read_integer(tree.path("curr1_input")) == -16


def test_what_is_no_number_is_shown(tree):
    tree["curr1_input"] = "0 ma"
    with pytest.raises(DeviceLost, match=r"/curr1_input must hold a whole number, but holds '0 ma"):
        read_integer(tree.path("curr1_input"))


def test_a_driver_that_refuses_to_answer_is_named(tree):
    """A disabled sensor answers ENODATA; any error of the kernel's will do: here, EISDIR."""
    (tree.root / "in1_input").mkdir()
    with pytest.raises(DeviceLost, match=r"/in1_input can't be read: Is a directory\.$"):
        read_integer(tree.path("in1_input"))


def test_one_command_allows_all_denied_files(tree, denied):
    for name in ("a", "b", "c"):
        tree[name] = 1
    denied("a", "c")
    paths = [tree.path(name) for name in ("a", "b", "c")]
    assert unreadable_reason(paths[1:2]) is None
    assert unreadable_reason(paths) == (
        f"{paths[0]} can't be read. Allow it with: sudo chmod a+r {paths[0]} {paths[2]}"
    )


def test_no_permission_helps_where_something_else_is_wrong(tree, denied):
    tree["a"] = 1
    denied("a")
    paths = [tree.path("a"), tree.path("b")]
    assert unreadable_reason(paths) == f"{paths[1]} can't be read: No such file or directory"
