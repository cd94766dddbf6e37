from __future__ import annotations

import pytest

from topoqa_ramdisk.sizes import parse_size, shown_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2GiB", 2 * 2**30),
        ("512 MiB", 512 * 2**20),
        ("1.5G", 3 * 2**29),
        ("100MB", 100_000_000),
        ("10kb", 10_000),
        ("7", 7),
        ("7 b", 7),
        (4096, 4096),
        (0, 0),
        ("0.1KiB", 103),
    ],
)
def test_sizes_that_people_write(text: object, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize("text", ["", "much", "2 apples", "-1", -1, True, 1.5, None, "1e3", "GiB"])
def test_what_is_no_size(text: object) -> None:
    with pytest.raises(ValueError, match="is no size; 2GiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (3 * 2**29, "1.5 GiB"),
        (2**52, "4096.0 TiB"),
    ],
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert shown_size(count) == text
