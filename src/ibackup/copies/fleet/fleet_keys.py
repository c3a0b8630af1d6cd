"""The Ed25519 keys of a fleet: its computers sign what they report, its keeper signs who they are."""

import base64
import binascii
import hmac
import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from ibackup.store.disk.json_records import JsonRecord, RecordFlaw

_SEED = 32
_SIGNATURE = "signature"


class NotGenuine(ValueError):
    """What was read does not bear the signature of the key that it should."""


@dataclass(frozen=True)
class SigningKey:
    """A key pair; ``text`` is its secret half in base64."""

    text: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        """One that nobody has."""
        return cls(_text(os.urandom(_SEED)))

    @classmethod
    def derived(cls, secret: bytes, purpose: str) -> Self:
        """The same one for the same secret and purpose."""
        return cls(_text(hmac.digest(secret, purpose.encode(), "sha256")))

    @cached_property
    def _key(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(_bytes(self.text))

    @property
    def public(self) -> str:
        """The half that everybody may know, in base64."""
        return _text(self._key.public_key().public_bytes_raw())

    def signed(self, members: dict[str, object]) -> bytes:
        """The compact form of these members with their signature among them."""
        signature = self._key.sign(JsonRecord(members).compact())
        return JsonRecord({**members, _SIGNATURE: _text(signature)}).compact()


def opened(data: bytes, public: str) -> JsonRecord:
    """The members of a signed object.

    Args:
        data: what ``SigningKey.signed`` made.
        public: the public half of the key that signed it.

    Raises:
        RecordFlaw: it is no such object.
        NotGenuine: another key signed it, or it was changed.
    """
    record = JsonRecord.load(data)
    signature = _bytes(record.text(_SIGNATURE))
    record = record.without(_SIGNATURE)
    try:
        Ed25519PublicKey.from_public_bytes(_bytes(public)).verify(signature, record.compact())
    except (InvalidSignature, ValueError):
        raise NotGenuine from None
    return record


def is_key(text: str) -> bool:
    """Whether this can be half of a key in base64."""
    try:
        return len(_bytes(text)) == _SEED
    except RecordFlaw:
        return False


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise RecordFlaw("has no base64 where it should") from None
