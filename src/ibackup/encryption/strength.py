"""What is weak about a backup password; whoever has the disk can try as many as time allows."""

import unicodedata

SHORT = 10
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


def weaknesses(password: str) -> tuple[str, ...]:
    """What is wrong with it, as sentences; nothing for one that will do. An empty one is refused elsewhere."""
    found: list[str] = []
    if password.isdigit():
        found.append("It is only digits: whoever has the disk tries all of them.")
    elif len(password) < SHORT:
        found.append(f"It is shorter than {SHORT} characters.")
    elif len(set(password)) < 5:
        found.append("It is made of very few different characters.")
    if any(word in password.casefold() for word in _COMMON):
        found.append("It has a word in it that is tried first.")
    if password != password.strip():
        found.append("It begins or ends with a space, which nobody sees on paper.")
    if not password.isascii() and unicodedata.normalize("NFD", password) != unicodedata.normalize(
        "NFC", password
    ):
        found.append("It has accented letters, which some keyboards and programs write in another way.")
    return tuple(found)
