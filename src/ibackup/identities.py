"""What identifies a phone or its owner, noted where it is read, so that a log can leave it out."""

_GENERIC = frozenset(["iphone", "ipad", "ipod", "ipod touch"])
_noted: set[str] = set()


def note(*values: str | None) -> None:
    """Remember names, serial numbers and so on while the program runs; None and generic ones are skipped."""
    _noted.update(each for each in values if each and len(each) > 1 and each.lower() not in _GENERIC)


def noted() -> list[str]:
    """All of them, longest first, so that none hides a part of another."""
    return sorted(_noted, key=lambda each: (-len(each), each))
