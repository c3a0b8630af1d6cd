"""The backup keybag: the class keys of a backup, wrapped with a key derived from its password.

Facts about the format: docs/format.md, "Keybag".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from ibackup.apple.format_errors import FormatError, KeyRefused
from ibackup.base.errors import PasswordWrong

MAX_BYTES = 64 * 1024
MAX_CLASSES = 64
BACKUP_BAG = 1
WRAPPED_BY_PASSPHRASE = 2
_HEAD = 8
_PART = "The keybag"


class KeybagItem(NamedTuple):
    """One tag-length-value item; the tag is four ASCII characters."""

    tag: str
    value: bytes


@dataclass(frozen=True, slots=True)
class ClassRecord:
    """One protection class: ``wrap`` is a bit set (1 device key, 2 passphrase)."""

    protection_class: int
    wrap: int
    wrapped_key: bytes = field(repr=False)
    uuid: bytes = b""


class ClassKeys:
    """The opened class keys of a keybag.

    Attributes:
        refused: classes whose key did not open although others did, so those keys are damaged.
    """

    __slots__ = ("_keys", "refused")

    def __init__(self, keys: dict[int, bytes], refused: tuple[int, ...] = ()) -> None:
        self._keys = dict(keys)
        self.refused = refused

    def __repr__(self) -> str:
        return f"ClassKeys(classes={self.classes}, refused={self.refused})"

    @property
    def classes(self) -> tuple[int, ...]:
        """The classes whose keys are open, ascending."""
        return tuple(sorted(self._keys))

    def key(self, protection_class: int) -> bytes:
        """The 32-byte key of a class.

        Raises:
            KeyRefused: the keybag has no such class, or its key is damaged.
        """
        try:
            return self._keys[protection_class]
        except KeyError:
            flaw = "is damaged" if protection_class in self.refused else "is not in the keybag"
            raise KeyRefused(
                "A file's key cannot be opened.",
                why=f"The key of protection class {protection_class} {flaw}.",
            ) from None

    def unwrap(self, wrapped: bytes) -> bytes:
        """Open a file key or the manifest key: a little-endian class number (4 bytes) and 40 wrapped bytes.

        Raises:
            KeyRefused: the class is missing, or the key is damaged.
        """
        from ibackup.apple.crypto.aes_and_keys import unwrap

        return unwrap(self.key(int.from_bytes(wrapped[:4], "little")), wrapped[4:])


@dataclass(frozen=True, slots=True)
class Keybag:
    """A parsed keybag, still locked.

    Attributes:
        version: 5 on every phone of the last decade.
        kind: 1 for a backup (0 system, 2 escrow, 3 over the air).
        uuid: 16 bytes.
        salt: salt of the SHA-1 stage.
        rounds: rounds of the SHA-1 stage.
        double_salt: salt of the SHA-256 stage that comes first since iOS 10.2; None if there is no such
            stage.
        double_rounds: rounds of that stage.
        records: the protection classes, in the keybag's order.
    """

    version: int
    kind: int
    uuid: bytes
    salt: bytes
    rounds: int
    double_salt: bytes | None
    double_rounds: int
    records: tuple[ClassRecord, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read a keybag.

        Raises:
            FormatError: it is too long, incomplete, has no classes, lacks what key derivation needs, or asks
                for so many rounds that no password could ever be tried.
        """
        from ibackup.apple.crypto.aes_and_keys import check_rounds

        items = list(_items(data))
        starts = [place for place, item in enumerate(items) if item.tag == "UUID"]
        if len(starts) < 2:  # the first is the keybag's own
            raise FormatError(_PART, "it has no protection classes")
        if len(starts) - 1 > MAX_CLASSES:
            raise FormatError(_PART, f"it has {len(starts) - 1} protection classes")
        head = dict(items[: starts[1]])
        spans = zip(starts[1:], [*starts[2:], len(items)], strict=True)
        records = tuple(_record(dict(items[start:end])) for start, end in spans)
        salt, double = _bytes(head, "SALT"), head.get("DPSL")
        rounds, double_rounds = _number(head, "ITER"), 0
        check_rounds(rounds)
        if double is not None:
            double_rounds = _number(head, "DPIC")
            check_rounds(double_rounds)
        return cls(
            version=_number(head, "VERS", 0),
            kind=_number(head, "TYPE", BACKUP_BAG),
            uuid=head.get("UUID", b""),
            salt=salt,
            rounds=rounds,
            double_salt=double,
            double_rounds=double_rounds,
            records=records,
        )

    def derive(self, password: str) -> bytes:
        """The key derived from ``password``, in about a second. Anyone who has it needs no password."""
        from ibackup.apple.crypto.aes_and_keys import derive

        return derive(
            password,
            salt=self.salt,
            rounds=self.rounds,
            double_salt=self.double_salt,
            double_rounds=self.double_rounds,
        )

    def unlock(self, password: str) -> ClassKeys:
        """Open the class keys; an unencrypted backup's keybag opens with the empty password.

        Raises:
            PasswordWrong: no class key opens.
        """
        return self.unlock_with_key(self.derive(password))

    def unlock_with_key(self, key: bytes) -> ClassKeys:
        """Open the class keys with a key that ``derive`` returned earlier. Raises PasswordWrong."""
        from ibackup.apple.crypto.aes_and_keys import unwrap

        keys: dict[int, bytes] = {}
        refused: list[int] = []
        for record in self.records:
            if not record.wrap & WRAPPED_BY_PASSPHRASE:
                continue
            try:
                keys[record.protection_class] = unwrap(key, record.wrapped_key)
            except KeyRefused:
                refused.append(record.protection_class)
        if not keys:
            raise PasswordWrong(
                "The password does not open this backup.",
                hint="It is the password set for encrypted backups, which is neither the phone's passcode nor "
                "the Apple Account's password. An older backup opens with the password of its time.",
            )
        return ClassKeys(keys, tuple(refused))


def _items(data: bytes) -> Iterator[KeybagItem]:
    if len(data) > MAX_BYTES:
        raise FormatError(_PART, f"it has {len(data):,} bytes; a phone writes about 1,400")
    place = 0
    while place < len(data):
        tag = data[place : place + 4]
        end = place + _HEAD + int.from_bytes(data[place + 4 : place + _HEAD], "big")
        if place + _HEAD > len(data) or end > len(data):
            raise FormatError(_PART, f"it ends at byte {len(data)}, too early")
        if not (tag.isascii() and tag.isalnum()):
            raise FormatError(_PART, f"there is no item at byte {place}")
        yield KeybagItem(tag.decode("ascii"), data[place + _HEAD : end])
        place = end


def _record(fields: dict[str, bytes]) -> ClassRecord:
    return ClassRecord(
        protection_class=_number(fields, "CLAS"),
        wrap=_number(fields, "WRAP"),
        wrapped_key=fields.get("WPKY", b""),
        uuid=fields.get("UUID", b""),
    )


def _bytes(fields: dict[str, bytes], tag: str) -> bytes:
    try:
        return fields[tag]
    except KeyError:
        raise FormatError(_PART, f"it has no {tag}") from None


def _number(fields: dict[str, bytes], tag: str, default: int | None = None) -> int:
    if default is not None and tag not in fields:
        return default
    value = _bytes(fields, tag)
    if len(value) != 4:
        raise FormatError(_PART, f"its {tag} has {len(value)} bytes, not 4")
    return int.from_bytes(value, "big")
