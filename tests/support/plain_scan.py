"""Whether words are in a text, found out in the slowest and plainest way: the judge of the search."""

import re
import unicodedata

from ibackup.search.search_words import SearchWords

# Marks are parts of words: each becomes a letter that no text of a test has.
_MARKS = {
    code: chr(0x20000 + number)
    for number, code in enumerate(
        each for each in range(0x3100) if unicodedata.category(chr(each)) in ("Mn", "Mc")
    )
}
_ALONE = ("CJK UNIFIED", "HIRAGANA LETTER", "KATAKANA LETTER", "THAI ")


def plain_words(text: str) -> list[str]:
    """The words of a text."""
    kept = []
    for char in text:
        parts = unicodedata.normalize("NFKD", char).casefold()
        parts = "".join(part for part in parts if unicodedata.combining(part) < 10)
        for part in unicodedata.normalize("NFKC", parts).lower():
            alone = unicodedata.name(part, "").startswith(_ALONE)
            kept.append(f" {part} " if alone else part)
    return [word for word in re.split(r"[\W_]", "".join(kept).translate(_MARKS)) if word]


def matches(text: str, wanted: SearchWords) -> bool:
    """Whether all of the words are in it."""
    words = plain_words(text)
    return all(_has(words, each.words, begins=each.begins) for each in wanted.wanted)


def _has(words: list[str], wanted: tuple[str, ...], *, begins: bool) -> bool:
    asked = [word.translate(_MARKS) for word in wanted]
    for at in range(len(words) - len(asked) + 1):
        piece = words[at : at + len(asked)]
        if piece == asked or (begins and piece[:-1] == asked[:-1] and piece[-1].startswith(asked[-1])):
            return True
    return False
