"""What an ordinary person writes down, plans, records and looks up: the quiet apps of the usual life."""

from ibackup.simulator.life.calendar_db import MadeEvent, MadeGuest
from ibackup.simulator.life.made_database import stamp
from ibackup.simulator.life.memos_db import MadeMemo
from ibackup.simulator.life.note_bodies import CHECKBOX, HEADING, TITLE, MadeRun, note
from ibackup.simulator.life.notes_db import MadeFolder, MadeNote
from ibackup.simulator.life.reminders_db import MadeReminder
from ibackup.simulator.life.safari_db import MadeBookmark, MadeVisit
from ibackup.simulator.life.voicemail_db import MadeVoicemail

_DAY, _HOUR = 86_400, 3_600
_ZONE = "Europe/Berlin"
FOLDERS = (MadeFolder(pk=1, title="Notes"), MadeFolder(pk=2, title="Cabin"))


def events(made_at: int) -> tuple[MadeEvent, ...]:
    """A weekly rehearsal, a day out, and an invitation."""
    noon = made_at // _DAY * _DAY + 12 * _HOUR

    def timed(days: int, hours: float, summary: str) -> dict[str, object]:
        start = stamp(noon + days * _DAY)
        zones = {"start_tz": _ZONE, "end_tz": _ZONE, "all_day": 0}
        return {"summary": summary, "start_date": start, "end_date": start + hours * _HOUR, **zones}

    all_day = {
        "summary": "Garden party",
        "start_date": stamp(noon + 9 * _DAY - 12 * _HOUR),
        "end_date": stamp(noon + 10 * _DAY - 12 * _HOUR) - 1,
        "all_day": 1,
    }
    return (
        MadeEvent(
            case="rehearsal",
            columns=timed(-20, 2, "Choir rehearsal"),
            repeats={"frequency": 2, "interval": 1},
        ),
        MadeEvent(case="garden party", columns=all_day, place={"title": "Under the pear tree"}),
        MadeEvent(
            case="review",
            columns=timed(3, 1, "Review of the plans"),
            calendar=2,
            guests=(
                MadeGuest("Grace Hopper", "grace@example.org", 1, 3, 8),
                MadeGuest("Ada", "ada@example.org", 1, 1, 7, is_self=True),
            ),
        ),
    )


def reminders(made_at: int) -> tuple[MadeReminder, ...]:
    """Something to buy, something done, something without a date."""
    due = stamp(made_at + 2 * _DAY)
    return (
        MadeReminder(
            case="plums", columns={"ZTITLE": "Buy plums for the cake", "ZDUEDATE": due, "ZPRIORITY": 1}
        ),
        MadeReminder(
            case="bench",
            columns={"ZTITLE": "Oil the bench", "ZCOMPLETED": 1, "ZCOMPLETIONDATE": due - 5 * _DAY},
        ),
        MadeReminder(case="fugue", columns={"ZTITLE": "Practice the fugue"}, in_list="Some day"),
    )


def memos(made_at: int) -> tuple[MadeMemo, ...]:
    """Two recordings, one of them in a folder and with its transcript."""

    def recorded(days: int, path: str, seconds: float) -> dict[str, object]:
        return {"ZDATE": stamp(made_at - days * _DAY), "ZPATH": path, "ZDURATION": seconds}

    return (
        MadeMemo(
            case="alto",
            title="Alto, bars 12 to 30",
            columns=recorded(8, "alto.m4a", 74.5),
            folder="Choir",
            transcript="Once more from the beginning",
        ),
        MadeMemo(case="rain", title="Rain on the roof", columns=recorded(5, "rain.m4a", 31.0)),
    )


def voicemails(made_at: int, caller: str) -> tuple[MadeVoicemail, ...]:
    """One that was heard, and a new one."""
    return (
        MadeVoicemail(
            case="heard",
            columns={"sender": caller, "date": made_at - 6 * _DAY, "duration": 14},
            transcript="It is about the bench. Call me back.",
        ),
        MadeVoicemail(
            case="new",
            columns={"sender": "+4930555000099", "date": made_at - _DAY, "duration": 5, "flags": 3},
        ),
    )


def notes(made_at: int) -> tuple[MadeNote, ...]:
    """A list to tick off, directions, and ideas."""

    def changed(days: int) -> dict[str, object]:
        when = stamp(made_at - days * _DAY)
        return {"ZMODIFICATIONDATE1": when, "ZCREATIONDATE3": when - _DAY, "ZCREATIONDATE1": when - _DAY}

    things = [("Bread\n", True), ("Apples\n", False), ("Oat milk\n", False), ("Batteries", False)]
    shopping = [MadeRun(text="Shopping\n", style=TITLE)]
    shopping += [MadeRun(text=text, style=CHECKBOX, checked=done) for text, done in things]
    return (
        MadeNote(case="shopping", title="Shopping", data=note(shopping), columns=changed(11)),
        MadeNote(
            case="cabin",
            title="Wi-Fi at the cabin",
            data=note(
                [
                    MadeRun(text="Wi-Fi at the cabin\n", style=TITLE),
                    MadeRun(text="Where it is\n", style=HEADING),
                    MadeRun(text="The router is behind the stove"),
                ]
            ),
            folder=2,
            columns=changed(22),
        ),
        MadeNote(
            case="ideas",
            title="Ideas",
            data=note([MadeRun(text="Ideas\nA bench by the pear tree; learn the fugue in C minor")]),
            columns=changed(33),
        ),
    )


def bookmarks(made_at: int) -> tuple[MadeBookmark, ...]:
    """A favorite, and a page to read later."""

    def page(number: int, parent: int, title: str, url: str) -> dict[str, object]:
        row = {"id": number, "type": 0, "parent": parent, "title": title, "url": url}
        return row | {"last_modified": made_at - 40 * _DAY, "order_index": number}

    def folder(number: int, special: int, title: str) -> dict[str, object]:
        return {"id": number, "type": 1, "parent": 0, "special_id": special, "title": title}

    return (
        MadeBookmark(case="root", columns={"id": 0, "type": 1, "title": "Root"}),
        MadeBookmark(case="favorites", columns=folder(1, 1, "BookmarksBar")),
        MadeBookmark(case="trains", columns=page(2, 1, "Trains", "https://trains.example/")),
        MadeBookmark(case="reading list", columns=folder(3, 3, "com.apple.ReadingList")),
        MadeBookmark(case="essay", columns=page(4, 3, "On pears", "https://essays.example/pears")),
    )


def visits(made_at: int) -> tuple[MadeVisit, ...]:
    """Pages that were looked at."""
    pages = (
        ("Trains", "https://trains.example/"),
        ("Plum cake", "https://recipes.example/plum-cake"),
        ("Weather in Reykjavík", "https://weather.example/reykjavik"),
    )
    return tuple(
        MadeVisit(case=url, url=url, columns={"title": title, "visit_time": stamp(made_at - at * _HOUR)})
        for at, (title, url) in enumerate(pages, start=2)
    )
