"""Who is behind an address in WhatsApp: a number, a group, or an address that hides the number."""

import base64
import binascii
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ibackup.contents.app_database import AppDatabase, Cell, text
from ibackup.contents.decoding.protobuf import ProtoMessage
from ibackup.contents.decoding.undecodable import Undecodable

FindName = Callable[[str], str]
"""Returns the name of a phone number's owner, empty if it is unknown."""
_PERSON, _HIDDEN = "@s.whatsapp.net", "@lid"
_STATUS: Final = "status@broadcast"
_MARKS: Final = re.compile(
    "[\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)  # of direction; WhatsApp adds them to names
_MOST_NAME: Final = 500  # characters
_PACKED: Final = 0x0A  # how a packed name begins: the first field, of variable length


class WhatsAppNames:
    """Names for addresses, from the chats, WhatsApp's contacts, the phone's contacts, and what people call themselves.

    Args:
        find_name: asks the phone's contacts.
    """

    def __init__(self, find_name: FindName | None = None) -> None:
        self._find_name = find_name
        self._saved: dict[str, str] = {}
        self._contacts: dict[str, str] = {}
        self._own: dict[str, str] = {}
        self._numbers: dict[str, str] = {}

    def learn_chat(self, jid: str, name: Cell) -> None:
        """Take the name under which a chat or a member of a group is saved."""
        if cleaned := clean(text(name)):
            self._saved.setdefault(jid, cleaned)

    def learn_own_names(self, database: AppDatabase) -> None:
        """Take what people call themselves."""
        table = database.table("ZWAPROFILEPUSHNAME")
        for _, jid, name in table.select("ZJID", "ZPUSHNAME") if table else ():
            self.learn_own_name(text(jid), name)

    def learn_own_name(self, jid: str, name: Cell) -> None:
        """Take what one person calls themselves, as a message says it."""
        if cleaned := clean(unpacked(text(name))):
            self._own.setdefault(jid, cleaned)

    def learn_contacts(self, database: AppDatabase) -> None:
        """Take WhatsApp's own contacts."""
        table = database.table("ZWAADDRESSBOOKCONTACT")
        columns = ("ZWHATSAPPID", "ZLID", ("ZFULLNAME", "ZGIVENNAME"), "ZPHONENUMBER")
        for _, jid, hidden, name, phone in table.select(*columns) if table else ():
            cleaned = clean(text(name))
            for each in (_person(text(jid)), text(hidden), _person(text(phone))):
                if each and cleaned:
                    self._contacts.setdefault(each, cleaned)
            if text(hidden) and text(jid):
                self._numbers.setdefault(text(hidden), _person(text(jid)))

    def learn_numbers(self, database: AppDatabase) -> None:
        """Take the numbers behind hidden addresses."""
        table = database.table("ZWAPHONENUMBERLIDPAIR")
        for _, hidden, phone in table.select("ZLID", "ZPHONENUMBER") if table else ():
            jid = text(hidden)
            self._numbers.setdefault(jid if "@" in jid else f"{jid}{_HIDDEN}", _person(text(phone)))

    def of(self, jid: str) -> str:
        """What to call the owner of an address; never empty unless the address is."""
        known = self._numbers.get(jid, "")
        for names in (self._saved, self._contacts):
            if name := names.get(jid) or names.get(known):
                return name
        phone = known or jid
        digits = phone.removesuffix(_PERSON) if phone.endswith(_PERSON) else ""
        if digits and self._find_name is not None and (name := self._find_name(f"+{digits}")):
            return name
        if name := self._own.get(jid) or self._own.get(known):
            return f"~{name}"
        if digits:
            return f"+{digits}"
        if jid == _STATUS:
            return "Status"
        return f"hidden number {jid.removesuffix(_HIDDEN)}" if jid.endswith(_HIDDEN) else jid


def clean(name: str) -> str:
    """A name without marks of direction."""
    return _MARKS.sub("", name).strip()[:_MOST_NAME]


def unpacked(name: str) -> str:
    """A name that newer versions store as a small message in base64; any other as it is."""
    with suppress(binascii.Error, ValueError, UnicodeDecodeError, Undecodable):
        data = base64.b64decode(name, validate=True)
        if data[:1] == bytes([_PACKED]):
            inner = ProtoMessage(data).data(1)
            return inner.decode() if inner else name
    return name


def _person(said: str) -> str:
    """A person's address from an address or a phone number."""
    if not said or "@" in said:
        return said
    digits = "".join(each for each in said if each.isascii() and each.isdecimal())
    return f"{digits}{_PERSON}" if digits else ""
