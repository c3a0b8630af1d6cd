"""The chosen files of a backup: by domain, by pattern, by app, or by the presets that people need most."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import translate
from typing import NamedTuple

from ibackup.apple.app_places import (
    ATTACHMENTS_DOMAIN,
    CALENDARS,
    CALLS,
    CONTACTS,
    HEALTH,
    MESSAGES,
    NOTES,
    OLD_CALLS,
    OLD_NOTES,
    PHOTOS,
    REMINDER_FOLDERS,
    SAFARI_FOLDERS,
    VOICE_MEMOS,
    VOICEMAIL,
    AppPlace,
)
from ibackup.apple.backup import Backup, BadRowHandler
from ibackup.apple.entry import Entry
from ibackup.apple.format_errors import FormatError
from ibackup.apple.rows import BadRow, Row
from ibackup.explore.app_owners import domains_of_app

_WILD = frozenset("*?[")


class Rule(NamedTuple):
    """A pattern for the domain and one for the path below it; ``*`` also matches slashes."""

    domain: str
    path: str = "*"


def _folders_of(*places: AppPlace) -> tuple[Rule, ...]:
    """Everything in the folders of these files; all of the domain if a file is in none."""
    rules = (Rule(place.domain, f"{place.folder}/*" if place.folder else "*") for place in places)
    return tuple(dict.fromkeys(rules))


PRESETS: dict[str, tuple[Rule, ...]] = {
    "photos": (  # no thumbnails: `export` takes one where it is all that a backup has of a picture
        Rule(PHOTOS.domain, "Media/DCIM/*"),
        # pictures that iCloud Photos brought from other devices, results of edits, and shared albums
        Rule(PHOTOS.domain, "Media/PhotoData/CPLAssets/*"),
        Rule(PHOTOS.domain, "Media/PhotoData/Mutations/*"),
        Rule(PHOTOS.domain, "Media/PhotoData/PhotoCloudSharingData/*"),
    ),
    "messages": (*_folders_of(MESSAGES), Rule(ATTACHMENTS_DOMAIN, f"{MESSAGES.folder}/*")),
    "contacts": _folders_of(CONTACTS),
    "calls": _folders_of(CALLS, OLD_CALLS),
    "voicemail": _folders_of(VOICEMAIL),
    "voice-memos": (
        Rule(VOICE_MEMOS[0].domain),
        *_folders_of(VOICE_MEMOS[1]),
        Rule("AppDomain-com.apple.VoiceMemos"),
    ),
    "calendar": (*_folders_of(CALENDARS[0]), Rule(CALENDARS[1].domain)),
    "reminders": (Rule(REMINDER_FOLDERS[0].domain), Rule(REMINDER_FOLDERS[1].domain, "Library/Reminders/*")),
    "notes": _folders_of(NOTES, OLD_NOTES),
    "whatsapp": (Rule("AppDomain*net.whatsapp.*"),),
    "safari": tuple(Rule(domain, f"{folder}/*") for domain, folder in SAFARI_FOLDERS),
    "health": (Rule(HEALTH.domain),),
}
"""The rules of each preset; docs/howto-look-inside.md has the same table for people."""


def is_pattern(text: str) -> bool:
    """Whether a text has wildcards."""
    return not _WILD.isdisjoint(text)


def composed(text: str) -> str:
    """A name with each accented letter as one character: apps write them both ways, and keyboards one."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def compiled(pattern: str) -> re.Pattern[str]:
    """A glob as a regular expression for composed names; case does not matter: ``*.jpg`` finds IMG_0001.JPG."""
    return re.compile(translate(composed(pattern)), re.IGNORECASE | re.DOTALL)


def covers(pattern: str, text: str) -> bool:
    """Whether a domain is, or matches, a pattern."""
    if not is_pattern(pattern):
        return pattern == text
    return compiled(pattern).match(composed(text)) is not None


class Choice(NamedTuple):
    """One choice of the user: a domain, an app, a preset or a pattern for paths.

    Attributes:
        kind: "domain", "app", "preset" or "like".
        name: the name as given; for a preset without the leading dashes.
        rules: each of its files matches one of them.
    """

    kind: str
    name: str
    rules: tuple[Rule, ...]

    @property
    def option(self) -> str:
        """As it is written on the command line."""
        return f"--{self.name}" if self.kind == "preset" else f"--{self.kind} {self.name}"


@dataclass(frozen=True)
class Selection:
    """What to extract: files that match any of the rules and, if there are patterns, one of these.

    Attributes:
        rules: empty means every file of every domain.
        like: patterns for the path below the domain.
        choices: the choices of the user, one by one.
    """

    rules: tuple[Rule, ...] = ()
    like: tuple[str, ...] = ()
    choices: tuple[Choice, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        domains: Iterable[str] = (),
        apps: Iterable[str] = (),
        presets: Iterable[str] = (),
        like: Iterable[str] = (),
    ) -> "Selection":
        """Domains or patterns for them, apps by identifier, presets by name: all of these, limited by ``like``."""
        chosen = [Choice("domain", domain, (Rule(domain),)) for domain in domains]
        chosen += [Choice("app", app, tuple(map(Rule, domains_of_app(app)))) for app in apps]
        chosen += [Choice("preset", name, PRESETS[name]) for name in presets]
        patterns = tuple(like)
        rules = tuple(rule for choice in chosen for rule in choice.rules)
        chosen += [Choice("like", pattern, (Rule("*", pattern),)) for pattern in patterns]
        return cls(rules, patterns, tuple(chosen))

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.rules or self.like)

    def entries(self, backup: Backup, bad: BadRowHandler | None = None) -> Iterator[Entry]:
        """The chosen files, folders and links; ``bad`` gets only rows among these.

        Raises the same errors as ``Backup.entries``.
        """
        takes = _Chosen(self).takes

        def ours(row: BadRow) -> None:
            # A row without a usable name may belong to anyone.
            if bad is not None and (
                not row.file_id or not row.domain or takes(row.domain, row.relative_path)
            ):
                bad(row)

        for domain in self._asked():
            for entry in backup.entries(domain, bad=ours if bad is not None else None):
                if takes(entry.domain, entry.relative_path):
                    yield entry

    def rows(self, backup: Backup) -> Iterator[Row]:
        """The chosen rows of the manifest, for callers that only count; bad rows are left out."""
        takes = _Chosen(self).takes
        for domain in self._asked():
            with suppress(FormatError):  # reported when their turn comes
                for row in backup.rows.rows(domain):
                    if isinstance(row, Row) and takes(row.domain, row.relative_path):
                        yield row

    def _asked(self) -> list[str] | list[None]:
        """The domains to look up in the manifest; None means all of it.

        The manifest has an index on domains: a small domain among a million rows is found at once.
        """
        exact = {rule.domain: None for rule in self.rules}
        return list(exact) if exact and not any(map(is_pattern, exact)) else [None]


class _Chosen:
    """A selection with the rules for each domain worked out once."""

    def __init__(self, selection: Selection) -> None:
        self._rules = [(rule.domain, compiled(rule.path), rule.path == "*") for rule in selection.rules]
        self._like = [compiled(pattern) for pattern in selection.like]
        self._domains: dict[str, list[re.Pattern[str]] | None] = {}

    def takes(self, domain: str, path: str) -> bool:
        """Whether a file is chosen."""
        path = composed(path)
        if self._rules:
            try:
                patterns = self._domains[domain]
            except KeyError:
                patterns = self._domains[domain] = self._of_domain(domain)
            if patterns is not None and not any(pattern.match(path) for pattern in patterns):
                return False
        return not self._like or any(pattern.match(path) for pattern in self._like)

    def _of_domain(self, domain: str) -> list[re.Pattern[str]] | None:
        """The patterns that apply in a domain; None if all of it is chosen."""
        found = []
        for wanted, path, everything in self._rules:
            if covers(wanted, domain):
                if everything:
                    return None
                found.append(path)
        return found


class Unfound:
    """The choices of a selection for which nothing was found yet."""

    def __init__(self, selection: Selection) -> None:
        self._takes = {choice: _Chosen(Selection(choice.rules)).takes for choice in selection.choices}

    def saw(self, domain: str, path: str) -> None:
        """Record that a file of the selection was found."""
        if self._takes:
            for choice in [choice for choice, takes in self._takes.items() if takes(domain, path)]:
                del self._takes[choice]

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The remaining choices, as given."""
        return tuple(self._takes)


class Finder:
    """The one pattern that ``ibackup files`` takes: a domain, or a glob for domains, paths and names."""

    def __init__(self, pattern: str) -> None:
        self._pattern = composed(pattern)
        self._wild = compiled(pattern) if is_pattern(pattern) else None

    def matches(self, domain: str, path: str) -> bool:
        """Whether an entry matches: by its domain, its path, both joined by a slash, or its last name."""
        domain, path = composed(domain), composed(path)
        if self._wild is None:
            wanted = self._pattern
            return wanted in (domain, path, f"{domain}/{path}") or path.endswith("/" + wanted)
        match = self._wild.match
        return bool(match(domain) or match(path) or match(f"{domain}/{path}"))
