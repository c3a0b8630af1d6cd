"""Which files of a backup are meant: by domain, by pattern, by app, or one of the presets people ask for most."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import translate
from typing import NamedTuple

from ibackup.explore.apps import domains_of_app
from ibackup.manifest.backup import Backup, BadRowHandler, Entry
from ibackup.manifest.flaws import FormatError
from ibackup.manifest.rows import Row

_WILD = frozenset("*?[")


class Rule(NamedTuple):
    """A pattern for the domain and one for the path below it; ``*`` also matches slashes."""

    domain: str
    path: str = "*"


PHOTOS_DOMAIN = "CameraRollDomain"

PRESETS: dict[str, tuple[Rule, ...]] = {
    "photos": (
        Rule(PHOTOS_DOMAIN, "Media/DCIM/*"),
        # pictures that iCloud Photos brought from other devices, and what edits made of pictures
        Rule(PHOTOS_DOMAIN, "Media/PhotoData/CPLAssets/*"),
        Rule(PHOTOS_DOMAIN, "Media/PhotoData/Mutations/*"),
    ),
    "messages": (Rule("HomeDomain", "Library/SMS/*"), Rule("MediaDomain", "Library/SMS/*")),
    "contacts": (Rule("HomeDomain", "Library/AddressBook/*"),),
    "calls": (
        Rule("HomeDomain", "Library/CallHistoryDB/*"),
        Rule("WirelessDomain", "Library/CallHistory/*"),
    ),
    "calendar": (
        Rule("HomeDomain", "Library/Calendar/*"),
        Rule("AppDomainGroup-group.com.apple.calendar"),
    ),
    "notes": (Rule("AppDomainGroup-group.com.apple.notes"), Rule("HomeDomain", "Library/Notes/*")),
    "voice-memos": (
        Rule("AppDomainGroup-group.com.apple.VoiceMemos.shared"),
        Rule("MediaDomain", "Media/Recordings/*"),
        Rule("AppDomain-com.apple.VoiceMemos"),
    ),
    "whatsapp": (Rule("AppDomain*net.whatsapp.*"),),
}
"""What each preset takes; docs/howto-look-inside.md has the same table for people."""


def is_pattern(text: str) -> bool:
    """Whether a text has wildcards."""
    return not _WILD.isdisjoint(text)


def compiled(pattern: str) -> re.Pattern[str]:
    """A glob as a regular expression; case does not count, so that ``*.jpg`` finds IMG_0001.JPG."""
    return re.compile(translate(pattern), re.IGNORECASE | re.DOTALL)


def covers(pattern: str, text: str) -> bool:
    """Whether a domain is, or matches, a pattern."""
    return compiled(pattern).match(text) is not None if is_pattern(pattern) else pattern == text


@dataclass(frozen=True)
class Selection:
    """What to take: files that match any of the rules and, when there are any, one of the patterns.

    Attributes:
        rules: none means every file of every domain.
        like: patterns for the path below the domain.
    """

    rules: tuple[Rule, ...] = ()
    like: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        *,
        domains: Iterable[str] = (),
        apps: Iterable[str] = (),
        presets: Iterable[str] = (),
        like: Iterable[str] = (),
    ) -> "Selection":
        """Domains or patterns for them, apps by bundle identifier, presets by name: their union, cut by ``like``."""
        rules = [Rule(domain) for domain in domains]
        rules += [Rule(domain) for app in apps for domain in domains_of_app(app)]
        rules += [rule for name in presets for rule in PRESETS[name]]
        return cls(tuple(rules), tuple(like))

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return not (self.rules or self.like)

    def entries(self, backup: Backup, bad: BadRowHandler | None = None) -> Iterator[Entry]:
        """The files, folders and links that are meant. Raises as ``Backup.entries``."""
        takes = _Chosen(self).takes
        for domain in self._asked():
            for entry in backup.entries(domain, bad=bad):
                if takes(entry.domain, entry.relative_path):
                    yield entry

    def rows(self, backup: Backup) -> Iterator[Row]:
        """The same as rows of the manifest, for those who only count; bad ones are left out."""
        takes = _Chosen(self).takes
        for domain in self._asked():
            with suppress(FormatError):  # told of when their turn comes
                for row in backup.rows.rows(domain):
                    if isinstance(row, Row) and takes(row.domain, row.relative_path):
                        yield row

    def _asked(self) -> list[str] | list[None]:
        """The domains to ask the manifest for; None is all of it.

        It has an index on domains: a small one among a million rows is found at once.
        """
        exact = {rule.domain: None for rule in self.rules}
        return list(exact) if exact and not any(map(is_pattern, exact)) else [None]


class _Chosen:
    """A selection, with what it says of each domain worked out once."""

    def __init__(self, selection: Selection) -> None:
        self._rules = [(rule.domain, compiled(rule.path), rule.path == "*") for rule in selection.rules]
        self._like = [compiled(pattern) for pattern in selection.like]
        self._domains: dict[str, list[re.Pattern[str]] | None] = {}

    def takes(self, domain: str, path: str) -> bool:
        """Whether a file is meant."""
        if self._rules:
            try:
                patterns = self._domains[domain]
            except KeyError:
                patterns = self._domains[domain] = self._of_domain(domain)
            if patterns is not None and not any(pattern.match(path) for pattern in patterns):
                return False
        return not self._like or any(pattern.match(path) for pattern in self._like)

    def _of_domain(self, domain: str) -> list[re.Pattern[str]] | None:
        """The patterns that apply in a domain; None when all of it is meant."""
        found = []
        for wanted, path, everything in self._rules:
            if covers(wanted, domain):
                if everything:
                    return None
                found.append(path)
        return found


class Finder:
    """The one pattern that ``ibackup files`` takes: a domain, or a glob for domains, paths and names."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._wild = compiled(pattern) if is_pattern(pattern) else None

    def matches(self, domain: str, path: str) -> bool:
        """Whether an entry is meant: by its domain, its path, both joined by a slash, or its last name."""
        if self._wild is None:
            wanted = self._pattern
            return wanted in (domain, path, f"{domain}/{path}") or path.endswith("/" + wanted)
        match = self._wild.match
        return bool(match(domain) or match(path) or match(f"{domain}/{path}"))
