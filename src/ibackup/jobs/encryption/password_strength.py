"""Weaknesses of a backup password; anyone with the disk can try as many passwords as they have time for."""

import unicodedata

SHORT = 10
_NOT_TYPED = frozenset(
    ["Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"]
)  # control, invisible, unassigned, separators
_COMMON = (
    "password",
    "passwort",
    "iphone",
    "ibackup",
    "backup",
    "qwert",
    "letmein",
    "12345",
    "abc123",
    "secret",
)


def untypable(password: str) -> str:
    """Why nobody can type this password, one sentence; empty if it can be typed."""
    bad = sorted({char for char in password if unicodedata.category(char) in _NOT_TYPED})
    if not bad:
        return ""
    names = ", ".join(f"U+{ord(char):04X} {unicodedata.name(char, '')}".strip() for char in bad[:3])
    return f"It contains invisible characters that no keyboard can type: {names}."


def weaknesses(password: str) -> tuple[str, ...]:
    """Its weaknesses, as sentences; nothing if it is good enough. An empty one is refused elsewhere."""
    found: list[str] = []
    if password.isdigit():
        found.append("It is only digits: anyone with the disk can try all of them.")
    elif len(password) < SHORT:
        found.append(f"It is shorter than {SHORT} characters.")
    elif len(set(password)) < 5:
        found.append("It has very few different characters.")
    if any(word in password.casefold() for word in _COMMON):
        found.append("It contains a word that attackers try first.")
    if password != password.strip():
        found.append("It begins or ends with a space, which is invisible on paper.")
    if not password.isascii() and unicodedata.normalize("NFD", password) != unicodedata.normalize(
        "NFC", password
    ):
        found.append("It has accented letters, which some keyboards and programs encode differently.")
    return tuple(found)
