"""The pages of an app's conversations: the list, one of them window by window, its print, its files."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any, Final

from starlette.responses import Response

from ibackup.base.errors import UsageError
from ibackup.contents.gaps import Gaps
from ibackup.contents.time_zones import local_zone
from ibackup.explore.opening import own_copy
from ibackup.export.export_request import ExportRequest
from ibackup.export.exporting import gap_text
from ibackup.export.kinds import TEXT_FORMATS
from ibackup.export.message_html import calm
from ibackup.search.excerpts import Excerpt, excerpt
from ibackup.search.search_words import SearchWords
from ibackup.view.asked import Asked
from ibackup.view.conversations.bubbles import Bubble, anchor_of
from ibackup.view.conversations.shown_conversations import PART, ShownConversation, Talks
from ibackup.view.conversations.talk_apps import TalkApp, opened_talks
from ibackup.view.export_stream import ExportStream
from ibackup.view.not_shown import NotShown
from ibackup.view.opened.media import SANDBOXED, media_response, streamed_download
from ibackup.view.opened.pictures import PictureRefused, as_jpeg
from ibackup.view.way import Way

_ROWS: Final = 100
_PRINTED: Final = 2000
_SMALL_SIDE: Final = 720  # pixels of a picture in a bubble
_LONGEST_WORDS: Final = 200
_DAY_FORM: Final = "%Y-%m-%d"

Values = dict[str, Any]
"""What a template shows, by the names of its comment."""


@dataclass(frozen=True, slots=True)
class TalkRow:
    """A row of the list.

    Attributes:
        talk: the conversation.
        text: what was said last.
        sent: when.
        gone: how many of its messages are no longer on the phone.
    """

    talk: ShownConversation
    text: str
    sent: datetime | None
    gone: int


@dataclass(frozen=True, slots=True)
class TalkHit:
    """A message that a search found, and the words in it."""

    bubble: Bubble
    excerpt: Excerpt


class TalkPages:
    """The pages of one app.

    Args:
        app: it.
    """

    def __init__(self, app: TalkApp) -> None:
        self._app = app
        base = f"/phone/{{phone}}/{app.page}"
        self.ways = (
            Way("GET", base, self.listed),
            Way("GET", f"{base}/export", self.export, "data"),
            Way("GET", f"{base}/file/{{place}}", self.file, "data"),
            Way("GET", f"{base}/{{talk}}", self.thread),
            Way("GET", f"{base}/{{talk}}/print", self.printed),
            Way("GET", f"{base}/{{talk}}/export", self.export, "data"),
            Way("GET", f"{base}/{{talk}}/text", self.text, "data"),
        )

    # -- the list ---------------------------------------------------------------------------------------------

    def listed(self, asked: Asked) -> Response:
        """The conversations, the newest first; or, with ``?message=ID``, the one that has a message."""
        wanted = asked.query.get("message", "")
        with opened_talks(asked, self._app) as found:
            values = self._list(asked, found.talks, compared=found.compared)
            if wanted:
                return self._to_message(asked, found.talks, wanted)
        return asked.render("talk_list.html", **values)

    def _to_message(self, asked: Asked, talks: Talks | None, wanted: str) -> Response:
        row = talks.row_of(wanted) if talks is not None else None
        talk = talks.conversation_of(row) if talks is not None and row is not None else None
        if talk is None:
            raise NotShown("This message is not in this backup.", hint="Choose another backup below.")
        return asked.see(f"{self._address(asked, talk, around=wanted)}#{anchor_of(row or 0)}")

    def _list(self, asked: Asked, talks: Talks | None, *, compared: bool) -> Values:
        words = asked.query.get("name", "")[:_LONGEST_WORDS].strip()
        only = asked.query.get("only", "")
        start = _number(asked.query.get("from", ""))
        named = talks.named(words) if talks is not None else []
        kept = [each for each in named if talks is not None and _is_kept(talks, each, only)]
        listed = kept[start : start + _ROWS]
        rows = [
            TalkRow(each, talks.newest_text(each), talks.sent_last(each), talks.gone_in(each))
            for each in listed
            if talks is not None
        ]
        every = talks.conversations if talks is not None else []
        damage = [gap_text(gap) for gap in (talks.gaps if talks is not None else Gaps()) if gap.damage]
        return {
            "app": self._app,
            "page": self._app.page,
            "title": self._app.title,
            "rows": rows,
            "matching": len(kept),
            "next_row": start + _ROWS if len(kept) > start + _ROWS else 0,
            "words": words,
            "only": only,
            "counts_of": {
                "all": len(every),
                "gone": sum(1 for each in every if talks is not None and talks.gone_in(each)),
                "sorted_out": sum(1 for each in every if each.filtered),
            },
            "messages": talks.messages if talks is not None else 0,
            "has_any": talks is not None,
            "compared": compared,
            "damage": damage,
        }

    # -- one conversation -------------------------------------------------------------------------------------

    def thread(self, asked: Asked) -> Response:
        """A window of a conversation: its newest end, or around a message, before or after one, or from a day on."""
        query = asked.query
        words = query.get("q", "")[:_LONGEST_WORDS].strip()
        with opened_talks(asked, self._app) as found:
            values = self._list(asked, found.talks, compared=found.compared)
            talks = found.talks
            talk = talks.by_slug(asked.path["talk"]) if talks is not None else None
            if talks is None or talk is None:
                return asked.render("talk_missing.html", 404, **values)
            values |= self._about(talks, talk)
            if words:
                values |= _searched(talks, talk, words, query.get("before", ""))
            else:
                start, stop, shown = _window(talks, talk, query)
                values |= {"part": talks.part(talk, start, stop), "around": shown}
        return asked.render("talk_search.html" if words else "talk_thread.html", **values)

    def _about(self, talks: Talks, talk: ShownConversation) -> Values:
        return {"talk": talk, "gone": talks.gone_in(talk), "gone_window": talks.gone, "chosen": True}

    def printed(self, asked: Asked) -> Response:
        """A page for paper and for people who must be able to believe it: with its source, its proof, its gaps."""
        since, until = _day(asked.query.get("since", "")), _day(asked.query.get("until", ""), end=True)
        with opened_talks(asked, self._app) as found:
            talks = found.talks
            talk = talks.by_slug(asked.path["talk"]) if talks is not None else None
            if talks is None or talk is None:
                raise NotShown("This conversation is not in this backup.", hint="Choose another backup.")
            stop = talks.place_at(talk, until) if until is not None else talk.messages
            start = talks.place_at(talk, since) if since is not None else 0
            part = talks.part(talk, max(start, stop - _PRINTED), stop)
            values = self._about(talks, talk) | {
                "part": part,
                "left_out": max(0, part.start - start),
                "since": since,
                "until": until,
                "gone_here": sum(1 for each in part.bubbles if each.left),
                "zone": datetime.now(local_zone()).strftime("UTC%z"),
                "made_on": datetime.now(local_zone()),
                "damage": [gap_text(gap) for gap in talks.gaps if gap.damage],
                "compared": found.compared,
            }
        title = f"Conversation with {talk.title}"
        return asked.render("talk_print.html", app=self._app, page=self._app.page, title=title, **values)

    # -- files ------------------------------------------------------------------------------------------------

    def file(self, asked: Asked) -> Response:
        """A file of a conversation: shown if it is of a kind that may be, with ``?small=1`` as a small picture."""
        with opened_talks(asked, self._app) as found:
            file = found.talks.file(asked.path["place"]) if found.talks is not None else None
            if file is None:
                raise NotShown(
                    "This file is not in this backup.", why="The phone had removed or never saved it."
                )
            try:
                source = file.entry.open()
            except FileNotFoundError:
                raise NotShown(
                    "This file is missing in the backup.", hint="Another backup may have it."
                ) from None
        if asked.query.get("small"):
            try:
                small = as_jpeg(source, _SMALL_SIDE)
            except PictureRefused:
                pass
            else:
                source.close()
                return Response(small, headers=SANDBOXED, media_type="image/jpeg")
        return media_response(
            source, asked.headers, name=file.name, download=bool(asked.query.get("download"))
        )

    def text(self, asked: Asked) -> Response:
        """The whole text of a message that is too long for the page, as a download."""
        with opened_talks(asked, self._app) as found:
            talks = found.talks
            talk = talks.by_slug(asked.path["talk"]) if talks is not None else None
            place = talks.place_of(talk, asked.query.get("message", "")) if talks and talk else None
            if talks is None or talk is None or place is None:
                raise NotShown("This message is not in this backup.")
            said = talks.said(talk, talks.rows(talk)[place])
        return streamed_download(
            [said.encode("utf-8", "replace")], "message.txt", "text/plain; charset=utf-8"
        )

    def export(self, asked: Asked) -> Response:
        """One conversation, or all of them, with their files, as a zip that streams."""
        form = asked.query.get("form", "")
        if form not in TEXT_FORMATS:
            raise NotShown("This is no form in which ibackup writes conversations.")
        with opened_talks(asked, self._app) as found:
            talks = found.talks
            slug = asked.path.get("talk", "")
            talk = talks.by_slug(slug) if talks is not None and slug else None
            if talks is None or (slug and talk is None):
                raise NotShown("This conversation is not in this backup.", hint="Choose another backup.")
            backup = own_copy(found.opened.backup)
        request = ExportRequest(
            to="",
            kinds=(self._app.kind,),
            talk=talk.id if talk is not None else "",
            formats=frozenset({form}),
            zone=local_zone(),
        )
        name = f"{calm(talk.title) if talk is not None else self._app.title}, {asked.phone.name}.zip"
        return streamed_download(ExportStream(backup, request), name, "application/zip")

    def _address(self, asked: Asked, talk: ShownConversation, **query: object) -> str:
        return asked.link(f"{self._app.page}/{talk.slug}", **query)


def _is_kept(talks: Talks, talk: ShownConversation, only: str) -> bool:
    if only == "gone":
        return talks.gone_in(talk) > 0
    return bool(talk.filtered) if only == "sorted-out" else True


def _window(talks: Talks, talk: ShownConversation, query: Mapping[str, str]) -> tuple[int, int, str]:
    """The places of the messages to show, from and to, and the anchor of the one that was asked for."""
    count = talk.messages
    for name in ("before", "after", "around"):
        if ident := query.get(name):
            place = talks.place_of(talk, ident)
            if place is None:
                raise NotShown("This message is not in this backup.", hint="Choose another backup below.")
            if name == "before":
                return place - PART, place, ""
            if name == "after":
                return place + 1, place + 1 + PART, ""
            start = max(0, min(place - PART // 2, count - PART))
            return start, start + PART, anchor_of(talks.rows(talk)[place])
    on = _day(query.get("on", ""))
    if on is not None:
        place = min(talks.place_at(talk, on), max(0, count - 1))
        start = max(0, min(place, count - PART))
        return start, start + PART, anchor_of(talks.rows(talk)[place]) if count else ""
    return count - PART, count, ""


def _searched(talks: Talks, talk: ShownConversation, said: str, before: str) -> Values:
    try:
        words = SearchWords.parse(tuple(said.split()) if '"' not in said else (said,))
    except UsageError as error:
        return {"q": said, "hits": [], "left": 0, "refused": error, "first_part": True}
    found = talks.search(talk, words, _number(before) if before else talk.messages)
    hits = [TalkHit(bubble, excerpt(text, words)) for bubble, text in found.bubbles]
    return {"q": said, "hits": hits, "left": found.left, "refused": None, "first_part": not before}


def _number(said: str) -> int:
    return int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0


def _day(said: str, *, end: bool = False) -> datetime | None:
    """The first moment of a day of this computer's time zone, or of the day after it; None if it is none."""
    try:
        day = datetime.strptime(said, _DAY_FORM).date() if said else None  # noqa: DTZ007 - a day alone
        day = date.fromordinal(day.toordinal() + 1) if day is not None and end else day
    except (ValueError, OverflowError):
        return None
    return datetime.combine(day, time(), local_zone()) if day is not None else None
