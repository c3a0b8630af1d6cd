"""A store with snapshots of a phone that hold what a test puts there, sealed as ibackup seals them."""

import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ibackup.base.events import PhaseStarted
from ibackup.search.documents import KINDS
from ibackup.search.search_hits import Searched, SearchRequest
from ibackup.search.search_words import SearchWords
from ibackup.search.searching import Search
from ibackup.simulator.life import whatsapp_db
from ibackup.store.disk.record_times import as_id
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.records.snapshot import Snapshot, SnapshotMeta
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker
from support.minted import UDID, Mint, Spec
from support.runs import Told

FIRST = datetime(2026, 11, 1, 2, 0, 4, tzinfo=UTC)
PASSWORD = "Kurzhaar-Wisent 7"
KEYS = {number: hashlib.sha256(bytes([number])).digest() for number in range(11, 0, -1)}
OTHER_KEYS = {number: hashlib.sha256(b"other" + bytes([number])).digest() for number in range(11, 0, -1)}


def chat(texts: Sequence[tuple[str, str]], tmp: Path, *, partner: str = "Grace Hopper") -> Spec:
    """WhatsApp's database with a chat whose messages have these ids and texts, one a minute."""
    path = tmp / "ChatStorage.sqlite"
    path.unlink(missing_ok=True)
    db = sqlite3.connect(path)
    for table, columns in whatsapp_db._TABLES.items():
        db.execute(f"CREATE TABLE {table} ({columns})")
    db.execute(
        "INSERT INTO ZWACHATSESSION (Z_PK, ZCONTACTJID, ZPARTNERNAME, ZSESSIONTYPE) VALUES (1, ?, ?, 0)",
        ("4917012345678@s.whatsapp.net", partner),
    )
    db.executemany(
        "INSERT INTO ZWAMESSAGE (ZCHATSESSION, ZMESSAGETYPE, ZISFROMME, ZMESSAGEDATE, ZSTANZAID, ZTEXT, ZFROMJID) "
        "VALUES (1, 0, 0, ?, ?, ?, '4917012345678@s.whatsapp.net')",
        [(750_000_000 + 60 * number, ident, text) for number, (ident, text) in enumerate(texts)],
    )
    db.commit()
    db.close()
    return Spec(whatsapp_db.DOMAIN, "ChatStorage.sqlite", path.read_bytes())


class SearchStore:
    """A store with one phone, and searches in it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store"
        self.path.mkdir(parents=True)
        (self.path / "store.json").write_text(json.dumps({"schema": 1, "id": "made"}), encoding="utf-8")
        os.chmod(self.path, 0o700)
        self.tmp = folder / "tmp"
        self.tmp.mkdir()
        self.mint = Mint(self.tmp)
        self.told = Told()

    @property
    def phone(self) -> PhoneFolder:
        return PhoneFolder(str(self.path / UDID))

    def add(
        self,
        specs: Sequence[Spec],
        password: str | None = None,
        *,
        keys: dict[int, bytes] | None = None,
        day: int | None = None,
    ) -> Snapshot:
        """A further snapshot, a day after the one before."""
        self.phone.make()
        made = self.mint(password, specs=list(specs), keys=keys or KEYS)
        (made.root / "SHA256SUMS").unlink(missing_ok=True)
        seal = made.seal()
        number = len(self.phone.snapshots())
        started = FIRST + timedelta(days=number if day is None else day)
        meta = SnapshotMeta(
            udid=UDID,
            device_name="Ann's iPhone",
            product_type="iPhone13,2",
            ios_version="17.1",
            started=started,
            finished=started,
            data_from=started,
            full=False,
            encrypted=password is not None,
            checked="manifest",
            received_bytes=1,
            tool="ibackup 0.1.0",
            sequence=number + 1,
            files=1,
            bytes=1,
            carried_files=0,
            seal=hashlib.sha256(seal.read_bytes()).hexdigest(),
        )
        (made.root / "snapshot.json").write_bytes(meta.to_record().render())
        target = Path(self.phone.snapshots_path) / as_id(started)
        shutil.move(made.root, target)
        return Snapshot.open(str(target))

    def chat(
        self, *texts: str, password: str | None = None, keys: dict[int, bytes] | None = None
    ) -> Snapshot:
        """A further snapshot with a chat; a text "id=words" has an id of its own."""
        pairs = [tuple(each.split("=", 1)) if "=" in each else (f"m{each}", each) for each in texts]
        return self.add([chat([(a, b) for a, b in pairs], self.tmp)], password, keys=keys)

    def search(
        self,
        *words: str,
        password: str | None = None,
        kinds: Iterable[str] = ("messages",),
        most: int | None = 20,
        only: str | None = None,
    ) -> Searched:
        """What a search gives, with what it told."""
        self.told = Told()
        request = SearchRequest(SearchWords.parse(words), tuple(kinds), most)
        unlocker = Unlocker(lambda _udid: password)
        return Search(request, unlocker, self.told).phone(
            self.phone, Store.open(self.path, create=False).id, only
        )

    def texts(self, *words: str, **how: object) -> list[tuple[str, tuple[str, ...]]]:
        """The hits' texts, each with the days of its snapshots: 1 is the first."""
        with self.search(*words, **how) as found:  # type: ignore[arg-type]
            return [
                (hit.excerpt.text or hit.title.text, hit.snapshots)
                for kind in KINDS
                for hit in found.hits(kind)
            ]

    def read(self) -> int:
        """How many snapshots the last search read."""
        texts = [
            event.text
            for event in self.told.events
            if isinstance(event, PhaseStarted) and event.phase == "search"
        ]
        return sum(1 if " a snapshot " in text else int(text.split()[1]) for text in texts)
