"""Numbers of things in words."""

from collections.abc import Sequence


def count_text(count: int, one: str, many: str | None = None) -> str:
    """``1 file``, ``2,345 files``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else list(parts))
