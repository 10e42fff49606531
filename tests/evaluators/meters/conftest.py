"""Fake sysfs trees, and files that nobody may read."""

from __future__ import annotations

import pytest


class Tree:
    """A folder of small files, as the kernel shows them."""

    def __init__(self, root):
        self.root = root

    def __setitem__(self, name, value):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")

    def __delitem__(self, name):
        (self.root / name).unlink()

    def __str__(self):
        return str(self.root)

    def path(self, name):
        return str(self.root / name)

    def link(self, name, target):
        (self.root / target).mkdir(parents=True, exist_ok=True)
        (self.root / name).symlink_to(self.root / target)


@pytest.fixture
def tree(open_folder):
    """Return an empty tree that everybody may enter."""
    return Tree(open_folder)


@pytest.fixture
def denied(tree, request):
    """Return a function that makes files unreadable, and stops being root."""

    def deny(*names):
        for name in names:
            (tree.root / name).chmod(0)
        request.getfixturevalue("not_root")

    return deny
