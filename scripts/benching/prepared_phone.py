"""A phone that costs little: what it sends was prepared before the race; run as a program.

prepared_phone.py SPEC FOLDER

It makes full backups, and incremental ones in which nothing changed, with the requests of the virtual iPhone, in the
same order. But it has its lists of files and of moves recorded from the virtual iPhone beforehand, and plays them. Of
the answers it reads the statuses alone. It asks for listings and manifests too, and throws them away. So what a race
measures on two cores is the computer's side. Whether all files arrived is for the race to check.

It prints where it listens, as `ibackup simulator run` does, and adds a line to FOLDER/notes.jsonl for each backup.
"""

import json
import mmap
import os
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace

from benching.phones import NOTES, READY, Note

from ibackup.simulator import keybags, mobilebackup2
from ibackup.simulator.binary_messages import dump
from ibackup.simulator.ciphers import Buffer
from ibackup.simulator.content import CHUNK, FILE
from ibackup.simulator.devicelink import EMPTY, PhoneLink
from ibackup.simulator.hostfiles import WrittenManifestPlist, WrittenStatusPlist, about_phone
from ibackup.simulator.mobilebackup2 import OperationRequest
from ibackup.simulator.operations.moving import clean_up, move_files, move_manifests, store_status
from ibackup.simulator.operations.operation_session import MBError, Session
from ibackup.simulator.operations.stored import read_status
from ibackup.simulator.operations.uploading import Uploader, record_of, row_of
from ibackup.simulator.server import VARIABLE, serve
from ibackup.simulator.specfile import load_spec
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.simulator.written_manifest_db import ManifestWriter

_STATUS = "DLMessageStatusResponse"
_VERSION = 300
"""Of DeviceLink: all programs know its messages."""
_UUID = "00000000-0000-4000-8000-000000000001"
_FOLDER = re.compile("[0-9a-f]{2}")
_PIECE = 1 << 18


class _Tape(Stream):
    """A computer that takes everything: what is written stays here, one list of pieces for each turn."""

    def __init__(self) -> None:
        super().__init__(socket.socket())
        self.turns: list[list[bytes]] = []
        self._pieces: list[bytes] = []
        well = dump([_STATUS, 0, EMPTY, {}]) or b""
        self._well = struct.pack(">I", len(well)) + well
        self._answer = b""

    def write(self, data: Buffer) -> None:
        """Keep what the phone says."""
        self._pieces.append(bytes(data))

    def read_exact(self, size: int) -> bytes:
        """The answer to a turn: all is well."""
        if not self._answer:
            self.turns.append(self._pieces)
            self._pieces, self._answer = [], self._well
        data, self._answer = self._answer[:size], self._answer[size:]
        return data

    def take(self) -> list[list[bytes]]:
        """The turns so far, and forget them."""
        turns, self.turns = self.turns, []
        return turns


class _Nowhere:
    """Takes what the computer sends, and keeps nothing."""

    def write(self, data: memoryview, /) -> None:
        """Look at nothing."""


class PreparedBackups:
    """What a phone sends in a backup, recorded, and the backups that play it.

    Args:
        phone: whose content it is.
        notes: the file that gets a line for each backup.
    """

    def __init__(self, phone: VirtualPhone, notes: str) -> None:
        self._phone = phone
        self._notes = notes
        self._folder = phone.udid
        self._scratch = memoryview(bytearray(CHUNK))
        keybag = keybags.mint(None, seed=_UUID.encode(), rounds=1)
        tape = _Tape()
        spec = phone.spec
        link = PhoneLink(tape, chunk_size=spec.chunk_size, habits=spec.habits)
        link.version = _VERSION
        session = Session(tape, link, phone)
        writer = ManifestWriter(session.memory.fresh_path())
        uploader = Uploader(session, phone.files, self._folder, keybag, False, writer, 0)
        for entry in phone.files.entries(encrypted=False):
            uploader.total += entry.size
            if entry.kind != FILE:
                writer.add(row_of(entry, record_of(entry)))
        uploader.send(phone.files.files(encrypted=False))
        self._lists = tape.take()
        sent = [uploader.sent[at : at + 20].hex() for at in range(0, len(uploader.sent), 20)]
        self._count = len(sent)
        move_files(session, self._folder, sent)
        self._moves = tape.take()
        for folder in (self._folder, f"{self._folder}/Snapshot"):
            session.link.create_directory(folder)
            for number in range(256):
                session.link.create_directory(f"{folder}/{number:02x}")
        self._folders = tape.take()
        tape.drop()
        self._size = uploader.total
        self._plist = WrittenManifestPlist(
            encrypted=False,
            keybag=keybag.data,
            manifest_key=None,
            rest=about_phone(spec, phone.domain(), passcode=phone.has_passcode),
        ).dump()
        writer.finish({}, version=spec.version)
        with open(writer.path, "rb") as file:
            self._manifest = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def serve(self, stream: Stream) -> None:
        """Serve one connection to the backup service."""

        def back_up(session: Session, _request: OperationRequest) -> None:
            self._back_up(stream, session)

        mobilebackup2.serve(stream, self._phone, {"Backup": back_up})

    def _back_up(self, stream: Stream, session: Session) -> None:
        folder = self._folder
        before = read_status(session, folder)
        full = before is None or before.uuid != _UUID or before.snapshot_state != "finished"
        if not full:
            self._read_back(stream, session)
        session.link.free_space()
        self._play(stream, session, self._folders)
        status = WrittenStatusPlist(
            uuid=_UUID, backup_state="empty" if full else "old", snapshot_state="uploading", full=full
        )
        store_status(session, folder, status)
        began = time.monotonic()
        if full:
            self._play(stream, session, self._lists)
        note = Note(self._count, self._size if full else 0, time.monotonic() - began, 0.0)
        self._write(note)  # a client may leave before the end
        place = f"{folder}/Snapshot"
        session.store(f"{place}/Manifest.plist", [self._plist], len(self._plist))
        session.store(f"{place}/Manifest.db", _pieces(self._manifest), len(self._manifest))
        status = replace(status, backup_state="new", snapshot_state="moving")
        store_status(session, folder, status)
        if full:
            self._play(stream, session, self._moves)
        move_manifests(session, folder)
        store_status(session, folder, replace(status, snapshot_state="removing"))
        clean_up(session, folder)
        store_status(session, folder, replace(status, snapshot_state="finished", full=False))
        self._read_back(stream, session)
        self._write(replace(note, last_word=time.monotonic()))

    def _write(self, note: Note) -> None:
        with open(self._notes, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(note)) + "\n")

    def _play(self, stream: Stream, session: Session, turns: Iterable[list[bytes]]) -> None:
        for pieces in turns:
            for piece in pieces:
                stream.write(piece)
            answer = session.link.receive()
            if answer[:2] != [_STATUS, 0]:
                raise MBError(104, f"The computer did not do what it was asked: {answer}")

    def _read_back(self, stream: Stream, session: Session) -> None:
        """Ask for everything that a phone asks for before and after a backup."""
        folder, link = self._folder, session.link
        session.fetch(f"{folder}/Status.plist")
        session.fetch(f"{folder}/Manifest.plist")
        if link.download([f"{folder}/Manifest.db"], lambda _: _Nowhere()):
            raise MBError(205, "The computer has no Manifest.db")
        for name, listed in (link.contents(folder) or {}).items():
            if listed.directory and _FOLDER.fullmatch(name):
                link.send(["DLContentsOfDirectory", f"{folder}/{name}", {}, link.progress])
                left = int.from_bytes(stream.read_exact(4), "big")
                while left:
                    part = self._scratch[: min(left, CHUNK)]
                    stream.read_into(part)
                    left -= len(part)


def _pieces(data: memoryview) -> Iterator[memoryview]:
    return (data[at : at + _PIECE] for at in range(0, len(data), _PIECE))


def main(spec: str, folder: str) -> None:
    """Serve the phone until the process ends."""
    phone = VirtualPhone(load_spec(spec))
    phone.backup_service = PreparedBackups(phone, os.path.join(folder, NOTES)).serve
    with serve(phone) as server:
        print(f"{READY}{server.environment[VARIABLE]}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
