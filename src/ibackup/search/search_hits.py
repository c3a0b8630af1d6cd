"""What a search finds: hits, each with the snapshots that have it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter

from ibackup.base.closeable import Closeable
from ibackup.search.documents import StoredTime, When
from ibackup.search.excerpts import Excerpt, excerpt, title_excerpt
from ibackup.search.index_container import IndexUnusable
from ibackup.search.search_words import SearchWords
from ibackup.search.snapshot_group import SnapshotGroup
from ibackup.search.snapshot_index import FoundDocument, SnapshotIndex


@dataclass(frozen=True, slots=True)
class SearchHit:
    """Something that was found.

    Attributes:
        kind: one of ``KINDS``.
        id: the same in every snapshot.
        title: its name.
        excerpt: of its text, around the words.
        who, place, when: as in ``Document``.
        snapshots: the ids of the snapshots that have it, oldest first.
    """

    kind: str
    id: str
    title: Excerpt
    excerpt: Excerpt
    who: str
    place: str
    when: When
    snapshots: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SearchGap:
    """A snapshot that could not be searched, or not wholly; ``reason`` is the end of a sentence about it.

    Attributes:
        locked: no key opens it.
        minor: all documents are there, but of some of them not all texts could be read.
    """

    snapshot: str
    reason: str
    locked: bool = False
    minor: bool = False


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What to search for.

    Attributes:
        words: all of them.
        kinds: some of ``KINDS``.
        most: hits of each kind; None for all.
    """

    words: SearchWords
    kinds: tuple[str, ...]
    most: int | None = None


class Searched(Closeable):
    """What a search of one phone or folder gives; close it when done.

    Attributes:
        snapshots: the ids of all that the index knows, oldest first, each with the time of its data.
        gaps: what could not be searched.
        counts: how many hits there are, by kind.

    Raises:
        IndexUnusable, OSError: an index is damaged.
    """

    def __init__(
        self,
        request: SearchRequest,
        groups: Sequence[SnapshotGroup],
        order: Mapping[str, datetime | None],
        gaps: Sequence[SearchGap],
        only: str | None = None,
    ) -> None:
        self.snapshots = order
        self.gaps = tuple(gaps)
        self._request = request
        self._groups = groups
        self._order = order
        self._only = only
        self.counts = self._counts()
        self._first: dict[str, list[SearchHit]] = {}
        if request.most is None:
            for _, index, _ in self._asked():
                index.prove_texts()  # while nothing has been shown yet
        else:
            self._first = {kind: list(self._found(kind)) for kind in self.counts}

    def close(self) -> None:
        """Give the memory back."""
        for group in self._groups:
            group.let_go()
            group.backup.close()

    def hits(self, kind: str) -> Iterable[SearchHit]:
        """The hits of a kind: those without a time, then the newest first."""
        return self._found(kind) if self._request.most is None else self._first.get(kind, [])

    def limit(self, kind: str) -> int:
        """How many hits of a kind ``hits`` gives."""
        count = self.counts.get(kind, 0)
        return count if self._request.most is None else min(count, self._request.most)

    def _counts(self) -> dict[str, int]:
        expression, kinds = self._request.words.expression, self._request.kinds
        asked = list(self._asked())
        if len(asked) == 1:
            _, index, at = asked[0]
            found = index.counts(expression, kinds, at)
            return {kind: found[kind] for kind in kinds if kind in found}
        counts = {}
        for kind in kinds:
            versions: set[int] = set()
            for _, index, at in asked:
                versions.update(index.versions(expression, kind, at))
            if versions:
                counts[kind] = len(versions)
        return counts

    def _found(self, kind: str) -> Iterator[SearchHit]:
        expression, most = self._request.words.expression, self._request.most
        streams = [
            _keyed(group, index.found(expression, kind, at, most)) for group, index, at in self._asked()
        ]
        by_key = itemgetter(0)
        for _, alike in islice(groupby(merge(*streams, key=by_key), key=by_key), most):
            yield self._hit([(group, each) for _, group, each in alike])

    def _asked(self) -> Iterator[tuple[SnapshotGroup, SnapshotIndex, int | None]]:
        for group in self._groups:
            if group.index is not None and (self._only is None or self._only in group.known):
                yield group, group.index, None if self._only is None else group.known[self._only]

    def _hit(self, alike: list[tuple[SnapshotGroup, FoundDocument]]) -> SearchHit:
        group, found = alike[-1]
        if group.index is None:
            raise IndexUnusable
        stored = group.index.text(found.number)
        there = {
            ident
            for group, each in alike
            for ident, number in group.known.items()
            if each.first <= number and (each.gone is None or number < each.gone)
        }
        return SearchHit(
            found.kind,
            stored.id,
            title_excerpt(stored.title, self._request.words),
            excerpt(stored.text, self._request.words),
            found.who,
            found.place,
            found.time.when(),
            tuple(ident for ident in self._order if ident in there),
        )


_Key = tuple[bool, int, int]


def _keyed(
    group: SnapshotGroup, stream: Iterator[FoundDocument]
) -> Iterator[tuple[_Key, SnapshotGroup, FoundDocument]]:
    for each in stream:
        yield (*_order(each.time), each.version), group, each


def _order(time: StoredTime) -> tuple[bool, int]:
    return time.milliseconds is not None, -(time.milliseconds or 0)
