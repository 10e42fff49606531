import re

import pytest

from spaces.quantities import DURATION_PATTERN, SIZE_PATTERN, duration_s, size_bytes


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("8h", 28800),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("2d", 172800),
        (300, 300),
        (0.5, 0.5),
    ],
)
def test_durations(raw, seconds):
    assert duration_s(raw) == seconds


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "5",
        "m",
        "5 m",
        "-5m",
        "5M",
        "5m3",
        "1:30",
        "0s",
        "9" * 10 + "s",
        0,
        -1,
        float("inf"),
        float("nan"),
        True,
        None,
        [5],
    ],
)
def test_what_is_no_duration_is_refused(raw):
    with pytest.raises(ValueError, match=r"^must be a duration above 0, such as 90s, 5m or 1h30m$"):
        duration_s(raw)


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        ("8GiB", 8 * 2**30),
        ("512MiB", 2**29),
        ("1.5 GiB", 3 * 2**29),
        ("4KiB", 4096),
        ("1TiB", 2**40),
        ("8GB", 8 * 10**9),
        ("5MB", 5 * 10**6),
        ("1KB", 1000),
    ],
)
def test_sizes(raw, size):
    assert size_bytes(raw) == size


@pytest.mark.parametrize("raw", ["", "8", "GiB", "8G", "8gib", "-1GiB", "0GiB", 8, 8.5, True, None])
def test_what_is_no_size_is_refused(raw):
    with pytest.raises(ValueError, match=r"^must be a size with its unit, such as 512MiB or 8GiB$"):
        size_bytes(raw)


def test_the_patterns_for_editors_agree():
    assert re.match(DURATION_PATTERN, "1h30m")
    assert not re.match(DURATION_PATTERN, "1:30")
    assert re.match(SIZE_PATTERN, "8GiB")
    assert not re.match(SIZE_PATTERN, "8")
