"""Which phone the user means, and what it is called.

A phone has the config's name, its own (from the phone now, or from its last snapshot), and its UDID, of which a
unique beginning is enough. Case, the kind of apostrophe and a UDID's dashes do not matter; accents, emoji and
punctuation do only if names differ in nothing else. If several phones match, the user chooses by number on a terminal;
elsewhere the command ends with exit code 2.
"""

import contextlib
import re
import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import click

from ibackup.base import counts, identities
from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.identities import bare_name, plain_name
from ibackup.base.udids import is_udid, plain_udid
from ibackup.cli.shell.output import printable, wrap

if TYPE_CHECKING:
    from ibackup.config.config_schema import Config
    from ibackup.store.store import Store

_HEX = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class KnownByName:
    """A phone that is known somewhere.

    Attributes:
        udid: as spelled there.
        alias: its name in the config; empty without one.
        own: its owner's name for it, as last reported; empty if unknown.
    """

    udid: str
    alias: str = ""
    own: str = ""

    @property
    def name(self) -> str:
        """What to call it."""
        return self.alias or self.own or self.udid


class Run(Protocol):
    """The run that asks for phones, as far as this needs it."""

    @property
    def config(self) -> "Config":
        """What the config file says."""

    @property
    def asks(self) -> bool:
        """Whether someone sits at a terminal and may be asked something."""

    def open_store(self) -> "Store":
        """The chosen store."""

    def stop_progress(self) -> None:
        """Leave the terminal's last line free."""


class Phones:
    """All phones that are known: from the config, from the store and, once needed, those connected."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._known: dict[str, KnownByName] = {}
        self._seen_store = self._seen_connected = False
        for each in run.config.phones:
            self._add(KnownByName(each.udid, each.name))

    def _add(self, phone: KnownByName) -> None:
        plain = plain_udid(phone.udid)
        known = self._known.get(plain, phone)
        self._known[plain] = KnownByName(phone.udid, known.alias or phone.alias, phone.own or known.own)

    def learn(self, udid: str, own: str) -> None:
        """Add what a connected phone reports about itself."""
        self._add(KnownByName(udid, own=own))

    def _look_into_store(self) -> None:
        if self._seen_store:
            return
        self._seen_store = True
        with contextlib.suppress(
            IbackupError
        ):  # without a store, only the config and connected phones remain
            for folder in self._run.open_store().phones():
                self._add(KnownByName(folder.udid, own=folder.device_name()))

    def _look_around(self) -> None:
        if self._seen_connected:
            return
        self._seen_connected = True
        from ibackup.device.phones.found_phones import glance

        with contextlib.suppress(IbackupError):
            for facts in glance(limits=self._run.config.limits):
                self.learn(facts.udid, facts.name or "")

    def of(self, udid: str) -> KnownByName:
        """The phone with this UDID, in any spelling, and its names, if known."""
        self._look_into_store()
        return self._known.get(plain_udid(udid), KnownByName(udid))

    def call_by_name(self) -> None:
        """Make errors show the names of known phones, not their UDIDs."""
        self._look_into_store()
        identities.name_phones({each.udid: each.name for each in self._known.values()})

    def meant(self, asked: str, *, to_open: bool = False) -> KnownByName:
        """The phone with the name that the user gave.

        Args:
            asked: the name.
            to_open: the command talks to the phone, so a connected phone of that name counts as much as one in the
                store.

        Raises:
            UsageError: none or several match.
        """
        looks: list[Callable[[], None]] = [lambda: None, self._look_into_store, self._look_around]
        for look in looks:
            look()
            found = self._matching(asked)
            if found and to_open and all(plain_name(each.own) == plain_name(asked) for each in found):
                self._look_around()
                found = self._matching(asked)
            if found:
                return self.choose(found, f"Several phones are called {asked!r}")
        if is_udid(asked):
            return KnownByName(asked)
        raise self._unknown(asked)

    def _matching(self, asked: str) -> list[KnownByName]:
        """By the config's name first, then by its own, by its UDID, and by the beginning of that."""
        name, udid, known = plain_name(asked), plain_udid(asked), self._known
        tests: list[Callable[[KnownByName], bool]] = [
            lambda each: bool(each.alias) and plain_name(each.alias) == name,
            lambda each: bool(each.own) and plain_name(each.own) == name,
            lambda each: plain_udid(each.udid) == udid,
        ]
        if self._seen_connected and (
            bare := bare_name(asked)
        ):  # a phone yet unseen may be called exactly that
            tests.append(lambda each: bare in (bare_name(each.alias), bare_name(each.own)))
        if self._seen_connected and _HEX.fullmatch(udid):  # what is unique is known only when all are
            tests.append(lambda each: plain_udid(each.udid).startswith(udid))
        return next((found for test in tests if (found := list(filter(test, known.values())))), [])

    def _unknown(self, asked: str) -> UsageError:
        import difflib  # only when something was mistyped

        names = sorted({each.name for each in self._known.values()}, key=plain_name)
        near = difflib.get_close_matches(asked, names, n=1)
        return UsageError(
            f"There is no phone named {asked!r}.{f' Did you mean {near[0]!r}?' if near else ''}",
            hint=f"Known phones: {listed(names)}. You can also give a UDID, or the beginning of one."
            if names
            else "No phone is known yet. `ibackup devices` shows the connected phones.",
        )

    def choose(self, found: Iterable[KnownByName], problem: str) -> KnownByName:
        """The only phone, or the one that the user chooses.

        Args:
            found: the phones that match.
            problem: why it is not clear, the beginning of a sentence.

        Raises:
            UsageError: several match, and there is no terminal to ask on.
        """
        phones = sorted(found, key=lambda each: plain_name(each.name))
        if len(phones) == 1:
            return phones[0]
        names = [self._unique(each, phones) for each in phones]
        full = [each.name if each.name == each.udid else f"{each.name} ({each.udid})" for each in phones]
        if not self._run.asks:
            raise UsageError(
                f"{problem}.",
                why=f"They are: {listed(full)}.",
                hint=f"Choose one: {' or '.join(f'--phone {quoted(each)}' for each in names)}.",
            )
        self._run.stop_progress()
        click.echo(wrap(f"{problem}:"), err=True)
        for number, (phone, name, both) in enumerate(zip(phones, names, full, strict=True), 1):
            shown = name if name == phone.name else both
            click.echo(wrap(printable(shown), f"  {number}  ", "     "), err=True)
        return phones[self._number(len(phones)) - 1]

    @staticmethod
    def _number(last: int) -> int:
        """A number from 1 on, asked for until it is one."""
        while True:
            typed = str(click.prompt("Which one?", err=True)).strip()
            if typed.isascii() and typed.isdecimal() and 1 <= int(typed) <= last:
                return int(typed)
            click.echo(f"That is not in the range: type a number from 1 to {last}.", err=True)

    @staticmethod
    def _unique(phone: KnownByName, among: list[KnownByName]) -> str:
        """Its name; its UDID if another phone has the same name."""
        same = [each for each in among if plain_name(each.name) == plain_name(phone.name)]
        return phone.name if len(same) == 1 else phone.udid

    def connected(self) -> KnownByName | None:
        """The phone to talk to if none was named; None means the only one, or the first to be connected.

        Raises:
            UsageError: several are connected, and there is no terminal to ask on.
        """
        from ibackup.device.mux.usbmux import Usbmux, parse_address
        from ibackup.device.phones.found_phones import glance

        try:
            if len({plain_udid(each.serial) for each in Usbmux(parse_address(None)).devices()}) < 2:
                return None
            here = glance(limits=self._run.config.limits)
        except IbackupError:
            return None  # reported when it is searched for
        for facts in here:
            self.learn(facts.udid, facts.name or "")
        return self.choose(
            (self._known[plain_udid(each.udid)] for each in here), "Several phones are connected"
        )

    def with_snapshots(self, store: "Store", ref: str) -> str | None:
        """The UDID of the phone that has the snapshot, if no phone was named; None if no phone has such a snapshot.

        Args:
            store: where it is.
            ref: an id, the beginning of one, or ``latest``.

        Raises:
            UsageError: several phones have one, and there is no terminal to ask on.
        """
        folders = [folder for folder in store.phones() if _has(folder.entries(), ref)]
        if not folders:
            return None
        for folder in folders if len(folders) > 1 else ():
            self._add(KnownByName(folder.udid, own=folder.device_name()))
        found = (self._known.get(plain_udid(folder.udid), KnownByName(folder.udid)) for folder in folders)
        return self.choose(found, "Several phones have snapshots here").udid


def _has(entries: Iterable[object], ref: str) -> bool:
    return any(ref == "latest" or str(getattr(each, "id", "")).startswith(ref) for each in entries)


def listed(names: list[str]) -> str:
    """``Ann, Bob and Cleo``."""
    return counts.listed([printable(each) for each in names])


def quoted(name: str) -> str:
    """A name as it can be typed into a shell."""
    shown = printable(name)
    return f'"{shown}"' if "'" in shown and not set(shown) & set('"$`\\!') else shlex.quote(shown)
