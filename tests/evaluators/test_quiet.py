from __future__ import annotations

import logging
import sys
import warnings

import pytest

from evaluators.quiet import quiet


def test_nothing_is_heard(capfd, caplog):
    with quiet():
        sys.stdout.write("a progress bar")
        sys.stderr.write("an aside")
        logging.getLogger("converter").error("a complaint")
        warnings.warn("a deprecation", DeprecationWarning, stacklevel=1)
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []


def test_exceptions_pass_and_everything_is_heard_again(capfd, caplog):
    with pytest.raises(ZeroDivisionError, match="division"), quiet():
        _ = 1 / 0
    sys.stdout.write("a result")
    logging.getLogger("converter").error("a complaint")
    assert capfd.readouterr().out == "a result"
    assert caplog.messages == ["a complaint"]
    with pytest.warns(DeprecationWarning, match="a deprecation"):
        warnings.warn("a deprecation", DeprecationWarning, stacklevel=1)
