"""All sources together: a phone, its backups of every kind, an archive, nobody at all; and the hint of ``now``."""

import dataclasses
import io
import plistlib
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibackup.base.errors import NotABackup, PersonNeeded, UsageError
from ibackup.base.events import Caution, Event, Observer, ignore
from ibackup.doctor.evidence.phone_evidence import Evidence, Live, PersonAnswers
from ibackup.doctor.evidence.sighting import Seen, Unseen
from ibackup.doctor.gather import connected_phone, watched_attempt
from ibackup.doctor.gather.gathering import DoctorRequest, gather
from ibackup.doctor.gather.phone_notes import parse_notes
from ibackup.doctor.verdict.backup_hint import hint_of, sentence
from ibackup.simulator import cloudfiles
from ibackup.simulator.cloudspec import (
    AttemptSpec,
    ICloudSpec,
    LogSpec,
    PacketSpec,
    SignalsSpec,
    SizeSpec,
    WindowSpec,
)
from ibackup.simulator.server import serve
from ibackup.simulator.spec import AppSpec, DomainSpec, PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.store import Store
from ibackup.vault.unlocker import Unlocker
from support.runs import PASSWORD, Lab

CLOUD = ICloudSpec(
    last_backup_days=9,
    attempts=(
        *(AttemptSpec(code=303, days=days) for days in (0.5, 1.5, 2.5, 3.5)),
        AttemptSpec(code=0, days=9),
    ),
    windows=(WindowSpec(days=1, hours=5),),
    sizes=(SizeSpec(domain="AppDomain-org.example.notes", bytes=6_000_000_000),),
    allowed=True,
)
SPEC = PhoneSpec(
    seed=41,
    cloud_backup=True,
    icloud=CLOUD,
    keybag_rounds=10,
    domains=(DomainSpec(name="CameraRollDomain", count=4, min_size=1000, max_size=9000),),
    apps=(AppSpec(bundle_id="org.example.notes", name="Notes"),),
    signals=SignalsSpec(
        log=(
            LogSpec(text="[Off condition] enabled:1, locked:0, onPower:1, onWiFi:0", hours_old=3),
            LogSpec(text="[On condition] enabled:1, locked:1, onPower:1, onWiFi:1", after_s=0.1),
            LogSpec(text="MBErrorDomain 105", process="BackupAgent2"),
            LogSpec(text="Error Domain=MBErrorDomain Code=303"),
        ),
        packets=(
            PacketSpec(count=100, after_s=0.011),
            PacketSpec(count=9, incoming=True),
            PacketSpec(interface="lo0", count=3),
            PacketSpec(interface="utun3", process="vpn", size=20_000),
        ),
    ),
)
LOCKED = dataclasses.replace(
    SPEC, seed=42, udid="", backup_password=PASSWORD, icloud=dataclasses.replace(CLOUD, notes_in="RootDomain")
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with a plain and an encrypted backup."""
    folder = tmp_path_factory.mktemp("made") / "store"
    environment = pytest.MonkeyPatch()
    environment.setenv("IBACKUP_STATE_DIR", str(folder.parent / "state"))
    for spec in (SPEC, LOCKED):
        with ExitStack() as stack:
            lab = Lab(folder, stack, VirtualPhone(spec))
            environment.setenv("USBMUXD_SOCKET_ADDRESS", lab.server.address)
            lab.now(PASSWORD if spec.backup_password else None)
    yield folder
    environment.undo()


@pytest.fixture
def look(made: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Evidence]]:
    """Gathers with the phones given, from a copy of the store; the network is left alone."""
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    shutil.copytree(made, tmp_path / "store")
    store = Store.open(tmp_path / "store", create=False)
    before = set(threading.enumerate())
    with ExitStack() as stack:

        def run(
            *phones: PhoneSpec, stored: bool = True, observe: Observer = ignore, **how: object
        ) -> Evidence:
            server = stack.enter_context(serve(*(VirtualPhone(spec) for spec in phones)))
            heard: list[Live] = []
            given: dict[str, object] = {
                "store": store if stored else None,
                "offline": True,
                "address": server.address,
            }
            return gather(DoctorRequest(**(given | how)), observe, heard.append)  # type: ignore[arg-type]

        yield run
    assert set(threading.enumerate()) <= before


Look = Callable[..., Evidence]


def folder_of(made: Path, spec: PhoneSpec) -> str:
    (snapshot,) = (made / spec.udid / "snapshots").iterdir()
    return str(snapshot / spec.udid)


def codes(evidence: Evidence) -> list[int] | None:
    notes = evidence.noted.notes.get()
    return None if notes is None else [each.code for each in notes.errors]


def test_a_phone_and_its_newest_backup_unasked(look: Look) -> None:
    evidence = look(SPEC)
    assert codes(evidence) == [303, 303, 303, 303, 0]
    assert evidence.phone.toggle.get() is True
    assert isinstance(evidence.phone.toggle, Seen)
    assert evidence.phone.toggle.source.kind == "usb"
    assert [source.kind for source in evidence.sources] == ["usb", "backup"]
    local = evidence.local.get()
    assert local is not None
    assert not local.encrypted
    assert isinstance(evidence.noted.notes, Seen)
    day = evidence.noted.notes.source.date.astimezone()
    assert evidence.noted.notes.source.label == f"local backup of {day.day} {day:%B %Y}"
    sizes = evidence.noted.sizes.get()
    assert sizes is not None
    assert "CameraRollDomain" in sizes.domains
    assert evidence.noted.accounts.get() is not None
    assert evidence.apple.status == Unseen("nothing was asked of Apple (--offline)")


def test_an_encrypted_backup(look: Look) -> None:
    evidence = look(LOCKED)
    assert isinstance(evidence.noted.notes, Unseen)
    assert "is encrypted, and ibackup does not have its password" in evidence.noted.notes.why
    assert [source.kind for source in evidence.sources] == ["usb"]
    assert evidence.local.get() is not None
    wrong = look(LOCKED, unlocker=Unlocker(lambda _: "wrong"))
    assert isinstance(wrong.noted.notes, Unseen)
    assert "does not open it" in wrong.noted.notes.why
    asked: list[str] = []

    def source(udid: str) -> str:
        asked.append(udid)
        return PASSWORD

    right = look(LOCKED, unlocker=Unlocker(source))
    assert codes(right) == [303, 303, 303, 303, 0]  # in RootDomain
    assert asked == [LOCKED.udid]


def test_without_a_phone(look: Look) -> None:
    told: list[Event] = []
    evidence = look(udid=SPEC.udid, observe=told.append)
    assert codes(evidence) == [303, 303, 303, 303, 0]
    assert isinstance(evidence.reachable, Unseen)
    assert isinstance(evidence.phone.toggle, Seen)
    assert evidence.phone.toggle.source.kind == "backup"
    last = evidence.phone.last_cloud_backup.get()
    assert last is not None
    assert last.date == datetime.fromtimestamp(CLOUD.now, UTC) - timedelta(days=9)
    assert evidence.phone.identity is not None
    assert evidence.phone.identity.ios_version == SPEC.ios_version
    assert isinstance(evidence.phone.wifi, Unseen)
    assert isinstance(look(udid=SPEC.udid, watch_seconds=0.2).live.log, Unseen)
    (caution,) = (event for event in told if isinstance(event, Caution))
    assert "not connected" in caution.text


def test_nothing_at_all(look: Look) -> None:
    """Two phones in the store and none named, or no store: there is general advice, and what the person answers."""
    for evidence in (look(), look(stored=False)):
        assert isinstance(evidence.reachable, Unseen)
        assert codes(evidence) is None


def test_a_locked_phone_with_and_without_another_source(look: Look) -> None:
    untrusted = dataclasses.replace(SPEC, trust=Trust(kind="pending"))
    with pytest.raises(PersonNeeded):
        look(untrusted, stored=False)
    evidence = look(untrusted, udid=SPEC.udid)
    assert isinstance(evidence.reachable, Unseen)
    assert codes(evidence) is not None


def test_several_phones(look: Look) -> None:
    with pytest.raises(UsageError, match="Several"):
        look(SPEC, LOCKED)
    assert look(SPEC, LOCKED, udid=SPEC.udid).phone.toggle.get() is True


def test_a_phone_that_was_never_backed_up(look: Look) -> None:
    evidence = look(PhoneSpec(seed=77))
    assert evidence.noted.notes == Unseen("there is no local backup of this phone yet")
    assert isinstance(evidence.local, Seen)
    assert evidence.local.value is None


def test_a_backup_folder_of_any_tool(look: Look, made: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere" / SPEC.udid
    shutil.copytree(folder_of(made, SPEC), elsewhere)
    before = {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")}
    evidence = look(stored=False, from_backup=str(tmp_path / "elsewhere"))
    assert codes(evidence) == [303, 303, 303, 303, 0]
    assert {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")} == before
    assert evidence.phone.identity is not None
    assert evidence.phone.identity.product_type == SPEC.product_type


def test_the_backup_chooses_the_phone_and_never_mixes_two(look: Look, made: Path) -> None:
    evidence = look(LOCKED, SPEC, from_backup=folder_of(made, SPEC))
    assert evidence.phone.identity is not None
    assert evidence.phone.identity.udid == SPEC.udid
    evidence = look(LOCKED, from_backup=folder_of(made, SPEC))
    assert isinstance(evidence.reachable, Unseen)
    with pytest.raises(UsageError, match="another phone"):
        look(LOCKED, from_backup=folder_of(made, SPEC), udid=LOCKED.udid)


def test_what_is_named_and_is_none(look: Look, tmp_path: Path) -> None:
    with pytest.raises(NotABackup):
        look(SPEC, from_backup=str(tmp_path))
    (tmp_path / "x.tar.gz").write_bytes(b"x")
    with pytest.raises(NotABackup):
        look(SPEC, from_sysdiagnose=str(tmp_path / "x.tar.gz"))


@pytest.mark.parametrize(
    "harm", ["Manifest.db", "Manifest.plist", "2f0b2af6ff2371fcfaf405572b94d0e8551c5659"]
)
def test_a_damaged_backup_takes_nothing_but_itself(look: Look, made: Path, tmp_path: Path, harm: str) -> None:
    """The last one is com.apple.MobileBackup.plist, by the name that real backups have for it."""
    folder = tmp_path / "store" / SPEC.udid / "snapshots"
    (path,) = folder.rglob(harm)
    path.chmod(0o600)
    path.write_bytes(b"damaged")
    evidence = look(SPEC)
    assert isinstance(evidence.noted.notes, Unseen)
    assert "cannot be read" in evidence.noted.notes.why
    assert evidence.phone.toggle.get() is True
    assert isinstance(evidence.noted.settings, Seen if harm.startswith("2f") else Unseen)


def test_a_backup_of_the_year_one(look: Look, made: Path, tmp_path: Path) -> None:
    """Its date is shown in the zone of the reader, where such a year does not exist."""
    folder = tmp_path / SPEC.udid
    shutil.copytree(folder_of(made, SPEC), folder)
    for name, key in (
        ("Status.plist", "Date"),
        ("Manifest.plist", "Date"),
        ("Info.plist", "Last Backup Date"),
    ):
        path = folder / name
        table = plistlib.loads(path.read_bytes()) | {key: datetime(1, 1, 1)}  # noqa: DTZ001 - as plists have it
        path.chmod(0o600)
        path.write_bytes(plistlib.dumps(table))
    evidence = look(stored=False, from_backup=str(folder))
    assert isinstance(evidence.noted.notes, Seen)
    assert datetime.now(UTC) - evidence.noted.notes.source.date < timedelta(minutes=5)


def test_an_archive_that_is_newer_than_the_backup(look: Look, tmp_path: Path) -> None:
    newer = dataclasses.replace(CLOUD, attempts=(AttemptSpec(code=22, days=0),))
    for name, when, wanted in (
        ("new", time.time() + 5, [22]),
        ("old", 1_500_000_000, [303, 303, 303, 303, 0]),
    ):
        path = tmp_path / f"{name}.tar.gz"
        data = plistlib.dumps(cloudfiles.notes(newer))
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo("sysdiagnose_x/logs/MobileBackup/com.apple.MobileBackup.plist")
            member.size, member.mtime = len(data), int(when)
            archive.addfile(member, io.BytesIO(data))
        evidence = look(SPEC, from_sysdiagnose=str(path))
        assert codes(evidence) == wanted
        assert evidence.noted.accounts.get() is not None
        assert "sysdiagnose" in [source.kind for source in evidence.sources]
    alone = look(stored=False, from_sysdiagnose=str(tmp_path / "new.tar.gz"))
    assert codes(alone) == [22]


def test_a_live_attempt(look: Look) -> None:
    evidence = look(SPEC, watch_seconds=3.5, watch_network=True)
    live = evidence.live.log.get()
    assert live is not None
    assert live.conditions is not None
    assert (live.conditions.locked, live.conditions.on_wifi) == (True, True)
    assert [error.code for error in live.errors] == [303]
    assert live.lines == 2
    traffic = evidence.live.traffic.get()
    assert traffic is not None
    assert traffic.interfaces == {"en0": 140_000, "utun3": 20_000}
    assert traffic.backup_bytes == 140_000
    assert traffic.has_vpn
    speed = traffic.upload_bits_per_second
    assert speed is not None
    assert 140_000 * 8 / 3.4 < speed < 140_000 * 8 / 1.05
    assert [source.kind for source in evidence.sources].count("live") == 2


def test_old_lines_do_not_count_when_the_phones_clock_is_off(look: Look) -> None:
    spec = dataclasses.replace(SPEC, signals=dataclasses.replace(SPEC.signals, clock_offset_s=-90_000))
    live = look(spec, watch_seconds=0.5).live.log.get()
    assert live is not None
    assert live.lines == 2


def test_a_phone_that_does_not_show_its_log(look: Look) -> None:
    signals = SignalsSpec(silent_services=("com.apple.os_trace_relay", "com.apple.pcapd"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(watched_attempt, "_START_SECONDS", 0.2)
        patch.setattr(connected_phone, "_SERVICE_SECONDS", 0.2)
        evidence = look(dataclasses.replace(SPEC, signals=signals), watch_seconds=0.3, watch_network=True)
    assert isinstance(evidence.live.log, Unseen)
    traffic = evidence.live.traffic.get()
    assert traffic is not None
    assert traffic.upload_bits_per_second is None


def test_what_the_person_said_comes_along(look: Look) -> None:
    answers = PersonAnswers(plan=Seen(5_000_000_000, look(SPEC).sources[0]))
    assert look(SPEC, answers=answers).answers is answers


# -- the hint at the end of a backup ---------------------------------------------------------------------------


def test_the_hint_of_a_fresh_backup(made: Path) -> None:
    store = Store.open(made, create=False)
    snapshot = store.snapshot("latest", SPEC.udid)
    oldest = datetime.fromtimestamp(CLOUD.days_ago(3.5)).astimezone()
    wanted = (
        f"iCloud Backup fails: the phone noted error 303 four times since {oldest.day} {oldest:%B}. "
        "Run `ibackup doctor`."
    )
    assert hint_of(snapshot, Unlocker()) == wanted
    locked = store.snapshot("latest", LOCKED.udid)
    assert hint_of(locked, Unlocker()) is None
    assert hint_of(locked, Unlocker(lambda _: "wrong")) is None
    assert hint_of(locked, Unlocker(lambda _: PASSWORD)) == wanted


NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempts", "last_days", "wanted"),
    [
        ((), None, None),
        (((0, 1),), None, None),
        (((303, 0.1),), 1.0, None),  # worked yesterday
        (((303, 0.1),), 9.0, "error 303 once."),
        (((303, 0.1), (0, 5), (303, 6)), None, "error 303 once."),  # an old one does not count
        (((303, 9.5),), 9.0, None),
        (((22, 0.1), (22, 1), (303, 2)), None, "error 22 twice since 24 November."),
        (((202, 0.1), (202, 1)), None, None),  # unplugged twice
        (((202, 0.1), (202, 1), (202, 2)), None, "error 202 three times since 23 November."),
        (((1, 0.1),) * 9, None, "error 1 9 times since 25 November."),
    ],
)
def test_when_there_is_something_to_say(
    attempts: tuple[tuple[int, float], ...], last_days: float | None, wanted: str | None
) -> None:
    cloud = ICloudSpec(
        now=NOW.timestamp(), attempts=tuple(AttemptSpec(code=code, days=days) for code, days in attempts)
    )
    notes = parse_notes(plistlib.dumps(cloudfiles.notes(cloud)), NOW)
    last = NOW - timedelta(days=last_days) if last_days is not None else None
    said = sentence(notes, last, NOW)
    if wanted is None:
        assert said is None
    else:
        assert said == f"iCloud Backup fails: the phone noted {wanted} Run `ibackup doctor`."


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            (
                "import sys, ibackup.doctor.evidence.phone_evidence; "
                "print('pymobiledevice3' in sys.modules, 'ssl' in sys.modules)"
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "False"]
