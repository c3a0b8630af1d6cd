"""Decides what a trace keeps of a message: its shape, the protocol's own words, and stand-ins for anything identifying.

Nothing is copied because it looks harmless. A text, a number or a key stays only if the vocabulary has it. Names,
path components, fileIDs and third-party bundle identifiers become stand-ins. They are made with a key that is never
written down: within one trace the same thing has the same stand-in, and nobody can test guesses against it.
"""

import functools
import hmac
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from ibackup.base.udids import is_udid, plain_udid
from ibackup.trace.vocabulary import (
    AMOUNTS,
    BUNDLES,
    FOLDERS,
    IDENTITIES,
    KEYS,
    NUMBERS,
    PREFIXES,
    SPOKEN,
    TEXTS,
    WORDS,
)

MARK: Final = "~"
"""The dictionary key that marks something left out. A message's own key of this name is never kept."""
EMPTY: Final = "___EmptyParameterString___"
MOST_ITEMS: Final = 4096
"""The number of items in a list or dictionary that are looked at."""
DEEPEST: Final = 16
_MOST_PARTS: Final = 12
_MOST_TOKENS: Final = 80
_EXACT: Final = 1024

_MOVED_ASIDE: Final = re.compile(r"([0-9A-Fa-f-]{24,40})-[0-9]{8}-[0-9]{6}", re.ASCII)
_FILE_ID: Final = re.compile(r"[0-9A-Fa-f]{40}", re.ASCII)
_FOLDER: Final = re.compile(r"[0-9a-f]{2}", re.ASCII)
_LISTED: Final = {"DLFileType", "DLFileSize", "DLFileModificationDate"}
_MESSAGE: Final = re.compile(r"DL[A-Za-z]{1,60}", re.ASCII)
_HUMPS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", re.ASCII)
_TOKEN: Final = re.compile(r"""(["'(\[<{]*)(.*?)([]"')>},;:.!?]*)""", re.ASCII | re.DOTALL)
_ERROR: Final = re.compile(
    r"([A-Z]{2,4}[A-Za-z]*(?:Error)?Domain|com\.apple(?:\.[A-Za-z0-9-]{1,40}){1,8})/(-?[0-9]{1,5})", re.ASCII
)
_NUMBER: Final = re.compile(r"-?[0-9]{1,3}", re.ASCII)
_DIGIT: Final = re.compile(r"\d")
_NO_WORD: Final = re.compile(r"[^A-Za-z]*\d[^A-Za-z]*")


class Redaction:
    """Redacts the messages of one trace."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._part = functools.lru_cache(4096)(self._make_part)

    # -- what identifies --------------------------------------------------------------------------------------

    def stand_in(self, kind: str, text: str, digits: int = 8) -> str:
        """The stand-in of a text: the same for the same text of the same kind."""
        digest = hmac.digest(self._key, f"{kind}\0{text}".encode("utf-8", "surrogatepass"), "sha256").hex()
        return digest[:digits] if not kind else f"{kind}-{digest[:digits]}"

    def identity(self, udid: str) -> str:
        """The stand-in of a phone, however its UDID is spelled."""
        return self.stand_in("UDID", plain_udid(udid))

    def bundle(self, bundle_id: str) -> str:
        """An app's identifier; Apple's own is kept if all its words are known."""
        return (
            self.dotted(bundle_id) if bundle_id.startswith("com.apple.") else self.stand_in("app", bundle_id)
        )

    def dotted(self, name: str) -> str:
        """A name like com.apple.mobile.backup, with each unknown part replaced."""
        parts = name.split(".")
        if parts[:2] != ["com", "apple"]:
            return self.stand_in("name", name)
        return ".".join(part if _is_known(part) else self.stand_in("", part) for part in parts[:_MOST_PARTS])

    def path(self, path: str) -> str:
        """A path, on the phone or in the backup: the format's names stay."""
        parts = path.split("/")
        kept = parts[: _MOST_PARTS - 1] + parts[-1:] if len(parts) > _MOST_PARTS else parts
        made = [self._part(part) for part in kept]
        for at, part in enumerate(kept):
            if at and _FOLDER.fullmatch(kept[at - 1]) and _FILE_ID.fullmatch(part):
                # The folder is the first digits of the name, so it is replaced along with it.
                made[at] = self.file_id(part)
                made[at - 1] = made[at][:2]
            elif _FOLDER.fullmatch(part) and self._is_place(kept, at):
                made[at] = part
        return "/".join(made)

    def _is_place(self, parts: Sequence[str], at: int) -> bool:
        """Whether two digits here are one of a backup's 256 folders; elsewhere they may be part of a date."""
        return len(parts) == 1 or (at > 0 and (parts[at - 1] == "Snapshot" or is_udid(parts[at - 1])))

    def file_id(self, file_id: str) -> str:
        """The stand-in of a fileID; it is the hash of a name, and names can be guessed."""
        return self.stand_in("", "file " + file_id.lower(), 16)

    def _make_part(self, part: str) -> str:
        if not part or part in FOLDERS:
            return part
        if is_udid(part):
            return self.identity(part)
        if aside := _MOVED_ASIDE.fullmatch(part):
            return f"{self.identity(aside[1])}-aside"
        return self.stand_in("", "part " + part)

    # -- what is said -----------------------------------------------------------------------------------------

    def sentence(self, text: str) -> str:
        """A phone's message: known words and error numbers stay.

        Numbers side by side do not, because they may be a telephone number or a date.
        """
        tokens = text[:4096].split()
        numbered = [bool(_NO_WORD.fullmatch(token)) for token in tokens]
        said = []
        for at, token in enumerate(tokens[:_MOST_TOKENS]):
            alone = not any(numbered[max(at - 1, 0) : at] + numbered[at + 1 : at + 2])
            said.append(self._token(token, alone=alone))
        return " ".join(said + (["…"] if len(tokens) > _MOST_TOKENS else []))

    def _token(self, token: str, *, alone: bool = True) -> str:
        match = _TOKEN.fullmatch(token)
        before, core, after = match.groups() if match else ("", token, "")
        return before + self._core(core, alone=alone) + after

    def _core(self, core: str, *, alone: bool) -> str:
        error = _ERROR.fullmatch(core)
        if error:
            return f"{error[1] if _is_known(error[1]) else self.dotted(error[1])}/{error[2]}"
        if ":" in core:
            parts = core.split(":", 8)
            # An address or a time of day has several numbers.
            several = sum(bool(_DIGIT.search(part)) for part in parts) > 1
            return "…" if several else ":".join(self._core(part, alone=alone) for part in parts)
        if "=" in core:  # as in NSFilePath=/private/var
            name, _, value = core.partition("=")
            return f"{self._core(name, alone=alone)}={self._token(value, alone=alone)}"
        if "/" in core:
            return self.path(core)
        if core.startswith("com.apple."):
            return self.dotted(core)
        if not core or core in KEYS or _is_known(core) or (alone and _NUMBER.fullmatch(core)):
            return core
        return "…"

    # -- messages ---------------------------------------------------------------------------------------------

    def message(self, message: object) -> object:
        """A message of any service: its keys, types and sizes, and the values that may be recorded."""
        if isinstance(message, list) and message and isinstance(message[0], str):
            return self._device_link(message[0], message[1:])
        return self.value(message)

    def value(self, value: object, key: str = "", depth: int = 0) -> object:
        """A value, redacted according to its key."""
        if isinstance(value, bool):
            return value
        if isinstance(value, str):
            return self._text(value, key)
        if isinstance(value, int):
            return self._integer(value, key)
        if isinstance(value, float):
            return value if key in NUMBERS and value == value and abs(value) < 1e6 else {MARK: "real"}
        if isinstance(value, bytes | bytearray):
            return {MARK: "data", "n": coarse(len(value))}
        if isinstance(value, Mapping | list) and depth >= DEEPEST:
            return {MARK: "more", "n": len(value)}
        if isinstance(value, Mapping):
            return self._dictionary(value, depth)
        if isinstance(value, list):
            kept = [self.value(each, key, depth + 1) for each in value[:MOST_ITEMS]]
            more = len(value) - len(kept)
            return [*kept, {MARK: "more", "n": more}] if more else kept
        return {MARK: "date" if hasattr(value, "year") else "other"}

    def _dictionary(self, values: Mapping[object, object], depth: int) -> dict[str, object]:
        made: dict[str, object] = {}
        for number, (key, value) in enumerate(values.items()):
            if number >= MOST_ITEMS:
                made[MARK] = len(values) - MOST_ITEMS
                break
            name = str(key)
            made[self.key(name)] = self.value(value, name, depth + 1)
        return made

    def key(self, name: str) -> str:
        """The key of a dictionary: a name of the protocol's, or a stand-in."""
        if name.startswith("com.apple."):
            return self.dotted(name)
        if "/" in name:
            return self.path(name)
        return name if name in KEYS or _is_known(name) else self.stand_in("k", name)

    def _text(self, text: str, key: str) -> object:
        if text in ("", EMPTY):
            return text
        if key in IDENTITIES or (key == "SerialNumber" and is_udid(text)):
            return self.identity(text)
        if key in BUNDLES:
            return self.bundle(text)
        form = TEXTS.get(key)
        if form is not None and form.fullmatch(text):
            return text
        return self.sentence(text) if key in SPOKEN else {MARK: "text"}

    def _integer(self, value: int, key: str) -> object:
        if key in NUMBERS and abs(value) < 1 << 32:
            return value
        if key in AMOUNTS:
            return rounded(value)
        if key == "DLDeviceIOCallbacks":
            return {MARK: "int", "bits": value.bit_length()}  # an address: its length shows the kind of phone
        return {MARK: "int"}

    # -- DeviceLink -------------------------------------------------------------------------------------------

    def _device_link(self, name: str, parameters: Sequence[object]) -> list[object]:
        """A message of DeviceLink; the position of a parameter gives its meaning."""
        said = name if _MESSAGE.fullmatch(name) else self.sentence(name)
        if name == "DLMessageStatusResponse":
            return [said, *self._status(parameters)]
        if name == "DLMessageProcessMessage":
            return [said, *(self.value(each) for each in parameters[:4])]
        if name == "DLMessageDisconnect":
            return [said, *(self._spoken(each) for each in parameters[:4])]
        return [said, *(self._parameter(each) for each in parameters[:16])]

    def _status(self, parameters: Sequence[object]) -> list[object]:
        code, text, *rest = [*parameters[:4], None, None][: max(2, len(parameters[:4]))]
        return [self._plain(code), self._spoken(text), *(self._parameter(each) for each in rest)]

    def _parameter(self, value: object) -> object:
        if isinstance(value, str):
            if value in ("", EMPTY, "DLVersionsOk") or (_MESSAGE.fullmatch(value) and _is_known(value)):
                return value
            return self.path(value)
        if isinstance(value, list):
            kept = [self._parameter(each) for each in value[:MOST_ITEMS]]
            more = len(value) - len(kept)
            return [*kept, {MARK: "more", "n": more}] if more else kept
        if isinstance(value, dict):
            return self._by_path(value)
        return self._plain(value)

    def _by_path(self, values: Mapping[object, object]) -> dict[str, object]:
        """Moves, listings and failures, by path; options."""
        made: dict[str, object] = {}
        for number, (key, value) in enumerate(values.items()):
            if number >= MOST_ITEMS:
                made[MARK] = len(values) - MOST_ITEMS
                break
            name = str(key)
            if isinstance(value, str):
                source, target = self.path(name), self.path(value)
                made[source] = None if target == moved_out(source) else target
            elif isinstance(value, dict) and any(str(each).startswith("DLFile") for each in value):
                known = self.file_id(name) if _FILE_ID.fullmatch(name) else self.path(name)
                made[known] = self._listed(value)
            else:
                made[self.key(name)] = self.value(value, name)
        return made

    def _listed(self, entry: Mapping[object, object]) -> object:
        """An entry of a listing or of a multi-status; for a regular file, only its size, because there are many."""
        size = entry.get("DLFileSize")
        if entry.keys() == _LISTED and entry["DLFileType"] == "DLFileTypeRegular" and isinstance(size, int):
            return rounded(size)
        return self.value(entry)

    def _spoken(self, value: object) -> object:
        return self.sentence(value) if isinstance(value, str) and value != EMPTY else self._plain(value)

    def _plain(self, value: object) -> object:
        """A DeviceLink number: a status, a size, the progress."""
        if isinstance(value, int) and not isinstance(value, bool):
            return rounded(value) if abs(value) < 1 << 64 else {MARK: "int"}
        if isinstance(value, float):
            return round(value, 6) if 0 <= value <= 100 else {MARK: "real"}
        return value if value == EMPTY else self.value(value)


def moved_out(source: str) -> str | None:
    """The usual target of a move: the same path outside Snapshot/, which a trace leaves out.

    None if not in Snapshot/.
    """
    target = source.replace("/Snapshot/", "/", 1)
    return target if target != source else None


def rounded(size: int) -> int:
    """A size that may be recorded: up to 6.25 percent smaller, because an exact size can identify a file.

    A multiple of 16 stays one, because that shows whether the file is encrypted.
    """
    if abs(size) < _EXACT:
        return size
    step = max(16, 1 << (size.bit_length() - 5))
    return size // step * step + (1 if size % 16 else 0)


def coarse(size: int) -> int:
    """The size of something left out, rounded up to a power of two, because an icon's size can identify its app."""
    return size if size <= 64 else 1 << (size - 1).bit_length()


@functools.lru_cache(4096)
def _is_known(name: str) -> bool:
    """Whether a name consists only of known words: Apple writes them into one, or with signs between."""
    if not name.isascii() or len(name) > 80:
        return False
    pieces = re.split(r"[-_]", name)
    return all(piece and _is_made_of_words(piece) for piece in pieces)


def _is_made_of_words(name: str) -> bool:
    if name.lower() in WORDS:
        return True
    name = _SMALL_I.sub(lambda match: match[0].capitalize(), name)
    humps = _HUMPS.findall(name)
    if len(humps) < 2 or "".join(humps) != name:
        return False
    words = [hump.lower() for hump in humps if not (hump.isdigit() and len(hump) < 3)]
    return all(word in WORDS or word in PREFIXES for word in words)


_SMALL_I: Final = re.compile(r"i(?:Tunes|Cloud|Phone|Pad|Pod|Books|OS)", re.ASCII)
