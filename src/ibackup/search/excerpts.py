"""What of a text is shown around the words that were found."""

import re
from typing import Final, NamedTuple

from ibackup.search.search_words import SearchWords

_BEFORE: Final = 40  # characters
_MOST: Final = 160
_MOST_NAME: Final = 120
_SPACE: Final = re.compile(r"\s+")
_CUT: Final = "…"


class Excerpt(NamedTuple):
    """A piece of a text on one line, and where in it the words are: beginnings and ends."""

    text: str
    marks: tuple[tuple[int, int], ...] = ()


def excerpt(text: str, words: SearchWords, most: int = _MOST) -> Excerpt:
    """The piece of a text around the first words in it; its beginning if none is."""
    line = _SPACE.sub(" ", text).strip()
    places = words.places(line)
    start = max(0, places[0][0] - _BEFORE) if places else 0
    if places and len(line) <= most:
        start = 0
    elif start > 0:
        space = line.find(" ", start, places[0][0])
        start = space + 1 if space >= 0 else start
    end = min(len(line), start + most)
    if end < len(line):
        space = line.rfind(" ", start + most // 2, end)
        end = space if space >= 0 else end
    before = f"{_CUT} " if start else ""
    after = f" {_CUT}" if end < len(line) else ""
    shift = len(before) - start
    marks = tuple((first + shift, last + shift) for first, last in places if start <= first and last <= end)
    return Excerpt(f"{before}{line[start:end]}{after}", marks)


def title_excerpt(text: str, words: SearchWords) -> Excerpt:
    """The same of a title."""
    return excerpt(text, words, _MOST_NAME)
