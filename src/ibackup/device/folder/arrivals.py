"""A file on its way from the phone, and one that the phone could not read."""

from dataclasses import dataclass

from ibackup.base.confined import Parts


@dataclass(frozen=True, slots=True)
class FileNotRead:
    """A file that the phone could not read to its end; the part that arrived is stored, so that the phone can move it.

    Attributes:
        path: where it is stored, relative to the ``<UDID>`` folder; the phone moves it later.
        device_path: where it is on the phone.
        text: what the phone said.
    """

    path: str
    device_path: str
    text: str

    @property
    def length(self) -> int:
        """The most characters kept of it."""
        return len(self.path) + len(self.device_path) + len(self.text)


class Arrival:
    """An arriving file.

    Attributes:
        number: of the file, in this run.
        asked: the path as the phone wrote it.
        held: it is put in place only after all others of its list.
        begun: the writer knows where it belongs.
        body: of a file that is held back, its first bytes.
    """

    __slots__ = ("asked", "begun", "body", "held", "number", "parts", "path", "unread")

    def __init__(self, number: int, asked: str, parts: Parts, *, held: bool) -> None:
        self.number = number
        self.asked = asked
        self.parts = parts
        self.path = "/".join(parts)
        self.held = held
        self.begun = False
        self.unread: FileNotRead | None = None
        self.body = bytearray()
