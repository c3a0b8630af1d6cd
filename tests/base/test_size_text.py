"""Numbers of bytes in words."""

import pytest

from ibackup.base.sizes import bytes_text, exact_size, size_text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (18_340_000, "18.3 MB"),
        (999_400_000, "999 MB"),
        (999_600_000, "1 GB"),
        (61_000_000_000, "61 GB"),
        (999_990, "1 MB"),
        (1_500_000_000_000, "1.5 TB"),
        (2_345_000_000_000_000, "2,345 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size_text(count) == text


def test_every_digit_for_those_who_want_it() -> None:
    assert exact_size(999) == "999 bytes"
    assert exact_size(61_234_567_890) == "61.2 GB (61,234,567,890 bytes)"
    assert [bytes_text(count) for count in (0, 1, 1234)] == ["0 bytes", "1 byte", "1,234 bytes"]
