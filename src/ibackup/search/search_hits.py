"""What a search finds in open indexes: hits, each with the snapshots that have it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import groupby, islice
from operator import itemgetter

from ibackup.base.closeable import Closeable
from ibackup.search.documents import StoredTime, When
from ibackup.search.excerpts import Excerpt, excerpt, title_excerpt
from ibackup.search.index_container import IndexUnusable
from ibackup.search.open_indexes import OpenIndexes
from ibackup.search.search_words import SearchWords
from ibackup.search.snapshot_group import SnapshotGroup
from ibackup.search.snapshot_index import FoundDocument, IndexQuery, SnapshotIndex


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
class SearchRequest:
    """What to search for.

    Attributes:
        words: all of them.
        kinds: some of ``KINDS``.
        most: hits of each kind; None for all.
        since, until: only what has a time, from the first on and before the second.
        gone: only what the newest snapshot does not have.
    """

    words: SearchWords
    kinds: tuple[str, ...]
    most: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    gone: bool = False


@dataclass(frozen=True, slots=True)
class HitTimes:
    """When hits are from: the first and the last moment, and how many are in each of the equal parts between them."""

    first: datetime
    last: datetime
    counts: tuple[int, ...]


class Searched(Closeable):
    """What a search of one phone or folder gives; close it when done.

    Attributes:
        snapshots: the ids of all that the index knows, oldest first, each with the time of its data.
        gaps: what could not be searched.
        counts: how many hits there are, by kind.

    Raises:
        IndexUnusable, OSError: an index is damaged.
    """

    def __init__(self, request: SearchRequest, indexes: OpenIndexes, only: str | None = None) -> None:
        self.snapshots = indexes.snapshots
        self.gaps = tuple(each for each in indexes.gaps if only in (None, each.snapshot))
        self._request = request
        self._indexes = indexes
        self._newest = next(reversed(tuple(indexes.snapshots)), "")
        self._only = only
        self._query = IndexQuery(
            request.words.expression, since=_milliseconds(request.since), until=_milliseconds(request.until)
        )
        self.counts = self._counts()
        self._first: dict[str, list[SearchHit]] = {}
        if request.most is None:
            for _, index, _ in self._asked():
                index.prove_texts()  # while nothing has been shown yet
        else:
            self._first = {kind: list(self._found(kind)) for kind in self.counts}

    def close(self) -> None:
        """Close the indexes."""
        self._indexes.close()

    def hits(self, kind: str) -> Iterable[SearchHit]:
        """The hits of a kind: those without a time, then the newest first."""
        return self._found(kind) if self._request.most is None else self._first.get(kind, [])

    def limit(self, kind: str) -> int:
        """How many hits of a kind ``hits`` gives."""
        count = self.counts.get(kind, 0)
        return count if self._request.most is None else min(count, self._request.most)

    def gone(self) -> int:
        """How many of the hits the newest snapshot does not have."""
        kinds = tuple(self.counts)
        if self._request.gone:
            return sum(self.counts.values())
        return sum(self._counted(kinds, gone=True).values())

    def times(self, parts: int) -> HitTimes | None:
        """When the hits are from, whatever the request's times; None if none has a time."""
        query = self._query._replace(since=None, until=None)
        asked = [(index, query.at(at)) for _, index, at in self._asked()]
        spans = [span for index, each in asked if (span := index.span(each, self._request.kinds)) is not None]
        if not spans:
            return None
        span = min(first for first, _ in spans), max(last for _, last in spans)
        first, last = (StoredTime(each, 0).when() for each in span)
        if not isinstance(first, datetime) or not isinstance(last, datetime):
            return None
        counts = [0] * parts
        for index, each in asked:
            for part, count in index.spread(each, self._request.kinds, span, parts):
                counts[part] += count
        return HitTimes(first, last, tuple(counts))

    def _counts(self) -> dict[str, int]:
        return self._counted(self._request.kinds, gone=self._request.gone)

    def _counted(self, kinds: Sequence[str], *, gone: bool) -> dict[str, int]:
        asked = list(self._asked())
        if len(asked) == 1:
            group, index, at = asked[0]
            found = index.counts(self._query.at(at), kinds)
            now = group.known.get(self._newest)
            if gone and now is not None:
                there = index.counts(self._query.at(now), kinds)
                found = {kind: count - there.get(kind, 0) for kind, count in found.items()}
            return {kind: found[kind] for kind in kinds if found.get(kind)}
        counts = {}
        for kind in kinds:
            versions: set[int] = set()
            for _, index, at in asked:
                versions.update(index.versions(self._query.at(at), kind))
            if gone:
                for group, index, _ in asked:
                    now = group.known.get(self._newest)
                    if now is not None:
                        versions.difference_update(index.versions(self._query.at(now), kind))
            if versions:
                counts[kind] = len(versions)
        return counts

    def _found(self, kind: str) -> Iterator[SearchHit]:
        most, gone = self._request.most, self._request.gone
        streams = [
            _keyed(group, index.found(self._query.at(at), kind, None if gone else most))
            for group, index, at in self._asked()
        ]
        by_key = itemgetter(0)
        alike = (
            [(group, each) for _, group, each in same]
            for _, same in groupby(merge(*streams, key=by_key), key=by_key)
        )
        there = ((each, self._snapshots(each)) for each in alike)
        wanted = ((each, ids) for each, ids in there if not gone or self._newest not in ids)
        for each, ids in islice(wanted, most):
            yield self._hit(each, ids)

    def _asked(self) -> Iterator[tuple[SnapshotGroup, SnapshotIndex, int | None]]:
        for group in self._indexes.groups:
            if group.index is not None and (self._only is None or self._only in group.known):
                yield group, group.index, None if self._only is None else group.known[self._only]

    @staticmethod
    def _snapshots(alike: Sequence[tuple[SnapshotGroup, FoundDocument]]) -> set[str]:
        """The ids of the snapshots that have one of these."""
        return {
            ident
            for group, each in alike
            for ident, number in group.known.items()
            if each.first <= number and (each.gone is None or number < each.gone)
        }

    def _hit(self, alike: Sequence[tuple[SnapshotGroup, FoundDocument]], there: set[str]) -> SearchHit:
        group, found = alike[-1]
        if group.index is None:
            raise IndexUnusable
        stored = group.index.text(found.number)
        return SearchHit(
            found.kind,
            stored.id,
            title_excerpt(stored.title, self._request.words),
            excerpt(stored.text, self._request.words),
            found.who,
            found.place,
            found.time.when(),
            tuple(ident for ident in self.snapshots if ident in there),
        )


_Key = tuple[bool, int, int]


def _keyed(
    group: SnapshotGroup, stream: Iterator[FoundDocument]
) -> Iterator[tuple[_Key, SnapshotGroup, FoundDocument]]:
    for each in stream:
        yield (*_order(each.time), each.version), group, each


def _order(time: StoredTime) -> tuple[bool, int]:
    return time.milliseconds is not None, -(time.milliseconds or 0)


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else StoredTime.of(moment).milliseconds
