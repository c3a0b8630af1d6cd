"""What the user searches for: words, all of which have to be there, and phrases; never a language of SQLite's."""

import re
from dataclasses import dataclass
from typing import Final, Self

from ibackup.base.errors import UsageError
from ibackup.search.word_folding import folded_lower, folded_with_places, is_unspaced, words_of

_QUOTED: Final = re.compile(r'["“”„«»]([^"“”„«»]*)["“”„«»]?')
_SHORTEST_BEGINNING: Final = 3  # letters; shorter words are found only as they are: too much begins with them
_SYLLABLES: Final = re.compile("[\uac00-\ud7a3]")  # of Korean, each of two or three letters
_MOST_WORDS: Final = 64
_HINT: Final = 'For example: `ibackup search dinner friday`, or `ibackup search "see you at seven"`.'


@dataclass(frozen=True, slots=True)
class WantedWords:
    """Words that follow each other; the last one may be only the beginning of a word."""

    words: tuple[str, ...]
    begins: bool

    @property
    def expression(self) -> str:
        """It in the language of SQLite's full-text search: letters, digits and marks in quotes."""
        return f'"{" ".join(self.words)}"{"*" if self.begins else ""}'


@dataclass(frozen=True, slots=True)
class SearchWords:
    """What is searched for."""

    wanted: tuple[WantedWords, ...]

    @classmethod
    def parse(cls, arguments: tuple[str, ...]) -> Self:
        """The words of a command line; an argument with spaces, or what is in quotes, is a phrase.

        Raises:
            UsageError: there is no word in them, or there are too many.
        """
        found: list[WantedWords] = []
        for argument in arguments:
            rest = argument
            if '"' in argument or "“" in argument:
                found += [_exactly(each[1]) for each in _QUOTED.finditer(argument)]
                rest = _QUOTED.sub(" ", argument)
                found += [_beginning(each) for each in rest.split()]
            elif len(rest.split()) > 1:
                found.append(_exactly(rest))
            else:
                found.append(_beginning(rest))
        wanted = tuple(dict.fromkeys(each for each in found if each.words))
        if not wanted:
            raise UsageError("There is no word to search for.", hint=_HINT)
        if sum(len(each.words) for each in wanted) > _MOST_WORDS:
            raise UsageError(f"These are more than {_MOST_WORDS} words.", hint="Leave some out.")
        return cls(wanted)

    @property
    def expression(self) -> str:
        """All of it in the language of SQLite's full-text search."""
        return " ".join(each.expression for each in self.wanted)

    def are_in(self, text: str) -> bool:
        """Whether a text has all of them."""
        plain = folded_lower(text)
        return all(_pattern(each).search(plain) for each in self.wanted)

    def may_be_in(self, rough: str) -> bool:
        """Whether a text may have all of them: quicker, and never wrong when it says no."""
        plain = folded_lower(rough)
        return all(each.words[0] in plain for each in self.wanted)

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where the words are in a text: beginnings and ends, in order, without overlaps."""
        plain, origins = folded_with_places(text)
        found: list[tuple[int, int]] = []
        for each in self.wanted:
            found += [
                (origins[match.start()], origins[match.end() - 1] + 1)
                for match in _pattern(each).finditer(plain)
            ]
        apart: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if apart and start < apart[-1][1]:
                apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
            else:
                apart.append((start, end))
        return apart


def _exactly(text: str) -> WantedWords:
    return WantedWords(tuple(words_of(text)), begins=False)


def _beginning(text: str) -> WantedWords:
    words = words_of(text)
    last = words[-1] if words else ""
    long_enough = len(last) >= _SHORTEST_BEGINNING or bool(_SYLLABLES.search(last)) or text.endswith("*")
    return WantedWords(tuple(words), begins=bool(last) and long_enough and not is_unspaced(last[-1]))


def _pattern(wanted: WantedWords) -> re.Pattern[str]:
    between = r"[\W_]+"
    end = "" if wanted.begins else r"(?![^\W_])"
    return re.compile(r"(?<![^\W_])" + between.join(map(re.escape, wanted.words)) + end)
