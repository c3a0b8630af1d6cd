"""Nights that pass in a second: a clock that jumps, virtual iPhones, a store, and people who are told over HTTP."""

import json
import select
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ibackup.base.exit_codes import ExitCode
from ibackup.config.config_schema import Config, NightlyConfig, NotifyConfig
from ibackup.config.value_kinds import HoursWindow
from ibackup.jobs.nights.clock import Waitable
from ibackup.jobs.nights.night import run_night
from ibackup.jobs.nights.night_context import NightContext, PhoneOutcome, Report
from ibackup.jobs.nights.night_journal import JournalFile, NightJournal
from ibackup.jobs.nights.plugs import Plugs
from ibackup.jobs.nights.store_opening import open_store
from ibackup.jobs.nights.telling.message_texts import Message
from ibackup.jobs.nights.telling.teller import Teller
from ibackup.simulator.server import Server, serve
from ibackup.simulator.spec import DomainSpec, PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.disk import record_times
from ibackup.store.phone_folder import PhoneFolder
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker
from support.runs import Told, copy_store, first_backup

DOMAINS = (DomainSpec(name="HomeDomain", count=5, min_size=20, max_size=4096),)
ANN = PhoneSpec(seed=1, name="Ann", domains=DOMAINS, batch_size=2, keybag_rounds=10)
BOB = PhoneSpec(seed=2, name="Bob", domains=DOMAINS, batch_size=2, keybag_rounds=10)


class FakeClock:
    """Jumps over every pause, and does what was planned for the time in between.

    It begins at the present moment, since snapshots bear real times, in a zone where that is eight in the evening.

    Args:
        speed: seconds that pass here in a second of real time, beside the jumps.
    """

    def __init__(self, speed: float = 0.0) -> None:
        self.started = datetime.now(UTC).replace(microsecond=0)
        evening = self.started.replace(hour=20, minute=0, second=0)
        self.zone: tzinfo | None = timezone(evening - self.started)
        self._offset = timedelta(0)
        self._real = time.monotonic()
        self.speed = speed
        self._plans: list[tuple[datetime, Callable[[], object]]] = []
        self.pauses: list[float] = []

    def now(self) -> datetime:
        return self.started + self._offset + timedelta(seconds=(time.monotonic() - self._real) * self.speed)

    def plan(self, after: timedelta, what: Callable[[], object]) -> None:
        """Have something happen so long after the beginning."""
        self._plans.append((self.started + after, what))
        self._plans.sort(key=lambda plan: plan[0])

    def jump(self, by: timedelta) -> None:
        self._offset += by

    def pause(self, seconds: float, *until: Waitable) -> bool:
        self.pauses.append(seconds)
        if until and select.select(until, [], [], 0.002)[0]:
            return True
        end = self.now() + timedelta(seconds=seconds)
        if self._plans and self._plans[0][0] <= end:
            moment, what = self._plans.pop(0)
            self.jump(max(moment - self.now(), timedelta(0)))
            what()
            return bool(until and select.select(until, [], [], 0.3)[0])
        self.jump(max(end - self.now(), timedelta(0)))
        return False


@dataclass
class Ears(Teller):
    """A teller that keeps what it is to tell."""

    messages: list[Message] = field(default_factory=list)
    beats: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(NotifyConfig(desktop=False), lambda _: None)

    def tell(self, message: Message) -> None:
        self.messages.append(message)

    def beat(self, beat: str, text: str = "") -> None:
        self.beats.append(beat)

    @property
    def alarms(self) -> list[str]:
        return [message.alarm for message in self.messages]


class House:
    """A computer, its store, and phones."""

    def __init__(self, folder: Path, server: Server, clock: FakeClock, first: Path) -> None:
        self.folder = folder
        self.path = folder / "store"
        self.server = server
        self.clock = clock
        self.told = Told()
        self.ears = Ears()
        self.outcomes: list[PhoneOutcome] = []
        hour = timedelta(hours=1)
        here = clock.now().astimezone(clock.zone)
        self.window = HoursWindow((here + hour / 2).time(), (here + 10 * hour).time())
        self.config = Config(nightly=NightlyConfig(window=self.window, min_free_bytes=0))
        self.journal = JournalFile(str(folder / "state"))
        self.password: str | None = None
        self._first = first

    @property
    def store(self) -> Store:
        return open_store(self.path, self.told)

    def of(self, phone: VirtualPhone) -> PhoneFolder:
        return self.store.phone(phone.udid)

    def job(self, **how: object) -> NightContext:
        job = NightContext(
            self.config,
            lambda: self.store,
            Unlocker(lambda _udid: self.password),
            self.clock,
            self.ears,
            self.told,
            self.outcomes.append,
            journal=self.journal,
            patience=0,
        )
        return replace(job, **how)  # type: ignore[arg-type]

    def night(self, **how: object) -> Report:
        """One run of nightly."""
        plugs = Plugs(self.clock)
        try:
            return run_night(self.job(**how), plugs)
        finally:
            plugs.close()

    def ann(self, snapshots: int = 1) -> VirtualPhone:
        """Ann's phone, not connected, which was backed up before, a day ago."""
        phone = VirtualPhone(ANN)
        copy_store(self._first, self.path)
        self.age(timedelta(hours=24))
        for _ in range(snapshots - 1):
            self.server.attach(phone)
            assert states(self.night(once=True)) == {"Ann": "done"}
            self.server.detach(phone)
            self.age(timedelta(hours=24))
        self.journal.write(NightJournal())
        self.outcomes.clear()
        self.ears.messages.clear()
        self.ears.beats.clear()
        self.told.events.clear()
        return phone

    def age(self, by: timedelta) -> None:
        """Make every snapshot older."""
        for folder in self.store.phones():
            for each in folder.snapshots():
                meta = each.meta
                older = replace(
                    meta,
                    started=meta.started - by,
                    finished=meta.finished - by,
                    data_from=meta.data_from - by,
                )
                path = Path(each.path) / "snapshot.json"
                path.chmod(0o600)
                path.write_bytes(older.to_record().render())
                path.chmod(0o400)
                name = record_times.as_id(older.started)
                Path(each.path).rename(Path(folder.snapshots_path) / name)
                proofs = Path(folder.proofs_path) / f"{each.id}.json"
                if proofs.exists():
                    proofs.rename(proofs.with_stem(name))

    def nightly(self, **changes: object) -> None:
        """Change the [nightly] table."""
        self.config = replace(self.config, nightly=replace(self.config.nightly, **changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def first_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one snapshot of Ann's phone, made once; never to be changed."""
    return first_backup(tmp_path_factory.mktemp("first"), ANN)


def states(report: Report) -> dict[str, str]:
    """How each phone's last turn ended, by its name."""
    return {each.phone.name: each.attempt.state for each in report.phones}


def codes(report: Report) -> set[int]:
    return {int(code) for each in report.phones for code in each.codes if code is not ExitCode.OK}


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first_store: Path) -> Iterator[House]:
    """A computer to which no phone is connected yet."""
    before = set(threading.enumerate())
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    with ExitStack() as stack:
        server = stack.enter_context(serve())
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", server.address)
        yield House(tmp_path, server, FakeClock(), first_store)
    # apprise keeps a pool of its own as long as the program runs.
    left = {each for each in threading.enumerate() if not each.name.startswith("ThreadPoolExecutor-")}
    for thread in left - before:
        thread.join()  # one that never ends is named by the test's limit


@dataclass
class Heard:
    """What came over HTTP: path and body."""

    port: int
    posts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.posts]

    def bodies(self, path: str) -> list[dict[str, object]]:
        return [json.loads(body) for each, body in self.posts if each == path]


@pytest.fixture
def listener() -> Iterator[Heard]:
    """A real HTTP server on loopback that takes notifications and heartbeats."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            heard.posts.append((self.path, body))
            moved = self.path.startswith("/moved")
            self.send_response(503 if self.path.startswith("/broken") else 302 if moved else 200)
            if moved:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(b"OK")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    heard = Heard(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield heard
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
