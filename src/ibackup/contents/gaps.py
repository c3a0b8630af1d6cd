"""What could not be read, counted: a reader goes on after it, and the export names it at its end."""

from collections.abc import Iterator
from dataclasses import dataclass, field

_EXAMPLES = 5
_LONGEST = 120  # characters of an example; a name may have thousands
_MOST_KINDS = 200
_MORE = "more kinds of trouble, which are not listed"


@dataclass(frozen=True, slots=True)
class Gap:
    """Records of one part of the contents that could not be read, or not wholly.

    Attributes:
        part: of which contents, for example "messages".
        reason: what is wrong, as the end of a sentence: "the database is damaged".
        count: how many records it concerns.
        examples: a few of them, for people; never more than five.
        damage: whether data is lost or damaged. False for what a sound backup may lack, such as an attachment
            that is only in iCloud.
    """

    part: str
    reason: str
    count: int
    examples: tuple[str, ...] = ()
    damage: bool = False


@dataclass(slots=True)
class _Counted:
    count: int = 0
    damage: bool = False
    examples: list[str] = field(default_factory=list)


class Gaps:
    """Collects gaps; memory does not grow with their number."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], _Counted] = {}

    def add(self, part: str, reason: str, example: str = "", *, damage: bool = False, count: int = 1) -> None:
        """Count what could not be read; `reason` comes from a small set, `example` may be any text."""
        key = (part, reason)
        if key not in self._found and len(self._found) >= _MOST_KINDS:
            key = (part, _MORE)
        counted = self._found.setdefault(key, _Counted())
        counted.count += count
        counted.damage |= damage
        example = example if len(example) <= _LONGEST else f"{example[: _LONGEST - 1]}…"
        if example and len(counted.examples) < _EXAMPLES and example not in counted.examples:
            counted.examples.append(example)

    def __iter__(self) -> Iterator[Gap]:
        for (part, reason), each in self._found.items():
            yield Gap(part, reason, each.count, tuple(each.examples), each.damage)

    def __bool__(self) -> bool:
        return bool(self._found)

    @property
    def damaged(self) -> int:
        """How many records are lost or damaged."""
        return sum(each.count for each in self._found.values() if each.damage)
