"""``ibackup doctor`` against the virtual iPhone: what it says, what it asks, what it leaves behind."""

import io
import os
import plistlib
import shutil
import stat
import tarfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import PASSWORD, Cli, Ran, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.doctor.tables.catalog import CHECKS, SCREEN_ORDER
from ibackup.simulator import cloudfiles
from ibackup.simulator.cloudspec import (
    AttemptSpec,
    CrashSpec,
    ICloudSpec,
    LogSpec,
    PacketSpec,
    ProfileSpec,
    SignalsSpec,
    SizeSpec,
    WindowSpec,
)
from ibackup.simulator.spec import DomainSpec, PhoneSpec, Trust
from ibackup.simulator.virtual_phone import VirtualPhone
from ibackup.store.store import Store

Plug = Callable[..., list[VirtualPhone]]
GB = 10**9
NIGHTS = tuple(WindowSpec(days=day + 0.6, hours=7) for day in range(4))
OLD = ICloudSpec(last_backup_days=13, windows=NIGHTS, allowed=True)
PHONE = PhoneSpec(
    seed=11,
    name="Zoë's own phone",
    cloud_backup=True,
    find_my=True,
    keybag_rounds=10,
    domains=(DomainSpec(name="HomeDomain", count=2, min_size=20, max_size=4096),),
    icloud=OLD,
)
STORAGE = "Settings > [your name] > iCloud > Storage"


def failing(*codes: int, **more: object) -> ICloudSpec:
    """The phone noted these since its last success, one a day, the newest first."""
    attempts = tuple(AttemptSpec(code=code, days=0.5 + day) for day, code in enumerate(codes))
    return replace(OLD, attempts=attempts, **more)  # type: ignore[arg-type]


@pytest.fixture
def doctor(ibackup: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs it without Apple's feeds, in a store of its own."""
    monkeypatch.setenv("IBACKUP_STORE", str(tmp_path / "ill"))

    def call(*words: str | Path) -> Ran:
        return ibackup("doctor", "--offline", *words)

    return call


@pytest.fixture
def backed_up(ibackup: Cli, doctor: Cli, plugged: Plug) -> Callable[..., Cli]:
    """Backs a phone up, of which ``doctor`` may then be asked."""

    def make(icloud: ICloudSpec | None, *words: str | Path, spec: PhoneSpec = PHONE) -> Cli:
        plugged(replace(spec, icloud=icloud))
        assert ibackup("now", "-q", *words).code == 0
        return doctor

    return make


def found(done: Ran) -> tuple[object, ...]:
    """Status, blockers and likely causes, and the first thing to do."""
    fix = done.result["first_fix"]
    return (
        done.result["status"],
        done.result["blockers"],
        [each for each in _list(done.result["likely"]) if each != "last-success"],
        fix["text"].removeprefix("First: `ibackup now`, so that nothing can be lost. Then: ")[:24]
        if isinstance(fix, dict)
        else None,
    )


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def check(done: Ran, name: str) -> dict[str, object]:
    """What one check said."""
    return next(each for each in done.events if each["event"] == "check" and each["id"] == name)


# -- by what the phone wrote down ---------------------------------------------------------------------------

NOTED = {
    "storage full": (failing(303, 303, 303, 303), ("blocked", ["icloud-storage"], [], "If the list has a backup")),
    "storage full, and apps that may go": (
        failing(303, sizes=(SizeSpec(domain="AppDomain-com.spotify.client", bytes=3 * GB),)),
        ("blocked", ["icloud-storage"], [], "Switch off the apps that"),
    ),
    "sign-in refused, no Wi-Fi before": (
        failing(305, 305, 308), ("blocked", ["session"], [], "At the top of Settings, "),
    ),
    "a restore is running": (failing(25), ("blocked", ["restore-running"], [], "Leave the iPhone chargin")),
    "forbidden": (replace(OLD, allowed=False), ("blocked", ["policy"], [], "Ask the organization tha")),
    "short nights, old and broken lines": (
        replace(
            OLD,
            windows=tuple(
                WindowSpec(days=day + 0.6, hours=0.2, ended_by="power", short=True) for day in range(4)
            ),
            window_lines=("no line at all", "2026-02-30T99|x|1"),
        ),
        ("suspect", [], ["power", "conditions"], "Plug the iPhone into a w"),
    ),
    "newer success, in seconds since 1970": (
        replace(failing(303, 303), last_backup_days=0.2, unix_epoch=True), ("working", [], [], None),
    ),
    "newer success, in seconds since 2001": (
        replace(failing(303, 303), last_backup_days=0.2), ("working", [], [], None),
    ),
    "notes in the other domain": (
        failing(210, notes_in="RootDomain"), ("blocked", ["account"], [], "Sign in to your Apple Ac"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", NOTED)
def test_what_the_phone_noted(backed_up: Callable[..., Cli], name: str) -> None:
    icloud, expected = NOTED[name]
    assert found(backed_up(icloud)("--json")) == expected


def test_the_answer_for_people(backed_up: Callable[..., Cli]) -> None:
    sizes = (
        SizeSpec(domain="CameraRollDomain", bytes=5 * GB),
        SizeSpec(domain="AppDomain-net.whatsapp.WhatsApp", bytes=2 * GB),
        SizeSpec(domain="AppDomain-org.example.diary", bytes=9 * GB // 10),
    )
    done = backed_up(failing(303, 303, 303, 303, sizes=sizes))()
    assert done.code == 0
    assert done.out.startswith("iCloud Backup cannot run: iCloud storage is full.\n")
    assert max(len(line) for line in done.out.splitlines()) <= 80
    assert "\x1b" not in done.out
    for said in (
        "(13 days ago). Failed attempts recorded since: 4.",
        "The iPhone noted error 303, 4 times in a row",
        "1. Look at the bar at the top: it shows how full iCloud is. The list below shows what",
        f"takes the space. {STORAGE}",
        "Your iPhone's iCloud backup needs about 7.9 GB; the free plan has 5 GB",
        "2 GB WhatsApp may be switched off, but only after",
        "org.example.diary no other copy that we know of: leave it on",
        "What was read: the phone over USB; local backup of",
        "so what is on the phone is safe for now",
    ):
        assert said in done.flat
    assert "First: `ibackup now`" not in done.flat  # one is there


def test_every_check_is_reported_in_order_and_the_result_sums_up(backed_up: Callable[..., Cli]) -> None:
    done = backed_up(failing(303))("--json")
    checks = [each for each in done.events if each["event"] == "check"]
    assert [each["id"] for each in checks] == list(SCREEN_ORDER)
    for each in checks:
        assert set(each) == {"event", "id", "number", "level", "advice", "title", "evidence", "steps"}
        assert each["number"] == CHECKS[str(each["id"])].number
        assert all(set(said) == {"text", "source", "date"} for said in _list(each["evidence"]))  # type: ignore[call-overload]
        assert all(set(step) == {"text", "settings_path", "disruption"} for step in _list(each["steps"]))  # type: ignore[call-overload]
    kinds = [source["kind"] for source in _list(done.result["sources"])]  # type: ignore[index]
    assert kinds == ["usb", "backup"]


def test_an_encrypted_backup_needs_its_password(backed_up: Callable[..., Cli], password_file: Path) -> None:
    spec = replace(PHONE, backup_password=PASSWORD)
    ask = backed_up(failing(303), "--password-file", password_file, spec=spec)
    without = ask("--json")
    assert found(without) == ("suspect", [], [], None)
    assert check(without, "history")["level"] == "unseen"
    assert "encrypted" in str(check(without, "history")["evidence"])
    assert "encrypted" in ask().flat
    assert "give its password: `ibackup doctor --password-file FILE`" in ask().flat
    assert "make a local backup" not in ask().flat
    with_it = ask("--json", "--password-file", password_file)
    assert with_it.result["blockers"] == ["icloud-storage"]


def test_a_fresh_backup_without_the_notes_is_not_wanted_once_more(backed_up: Callable[..., Cli]) -> None:
    ask = backed_up(None, spec=replace(PHONE, icloud=None))
    done = ask()
    assert "the backup has no com.apple.MobileBackup.plist" in done.flat
    assert "make a local backup" not in done.flat
    assert "`ibackup doctor --watch`" in done.flat


def test_a_wrong_password_file_is_reported_at_once(doctor: Cli, tmp_path: Path) -> None:
    assert doctor("--password-file", tmp_path / "none").code == ExitCode.PASSWORD


# -- by the phone alone ------------------------------------------------------------------------------------------

ALONE = {
    "switched off": (replace(PHONE, cloud_backup=False), ("blocked", ["toggle"], [], "Turn on Back Up This iPh")),
    "switched off by an administrator": (
        replace(
            PHONE,
            cloud_backup=False,
            signals=SignalsSpec(profiles=(ProfileSpec(name="Mail", removable=False),), supervised_by="Example"),
        ),
        ("blocked", ["toggle"], ["policy"], "Turn on Back Up This iPh"),
    ),
    "clock off by a day": (
        replace(PHONE, signals=SignalsSpec(clock_offset_s=-90_000)),
        ("suspect", [], ["clock"], "Turn on Set Automaticall"),
    ),
    "no room on the phone": (
        replace(PHONE, free=100_000_000), ("suspect", [], ["phone-storage"], "Free one or two GB on th"),
    ),
    "nothing to be seen": (PHONE, ("suspect", [], [], None)),
    "no Wi-Fi now, and crashes": (
        replace(PHONE, signals=SignalsSpec(wifi="off", crashes=(CrashSpec(process="backupd", days=2),))),
        ("suspect", [], [], None),
    ),
    "a phone that says nothing more": (
        replace(
            PHONE,
            signals=SignalsSpec(
                wifi="refused",
                silent_services=("com.apple.mobile.MCInstall",),
            ),
        ),
        ("suspect", [], [], None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ALONE)
def test_what_the_phone_tells(doctor: Cli, plugged: Plug, name: str) -> None:
    spec, expected = ALONE[name]
    plugged(spec)
    done = doctor("--json")
    assert (done.code, found(done)) == (0, expected)


def test_someone_at_the_phone_is_needed_only_when_nothing_else_is_there(
    ibackup: Cli, doctor: Cli, plugged: Plug
) -> None:
    assert doctor("--json", "--watch", "1s").code == ExitCode.NO_PHONE
    untrusting = replace(PHONE, trust=Trust(kind="pending"))
    plugged(untrusting)
    assert doctor("--json").code == ExitCode.PERSON_NEEDED
    plugged(replace(PHONE, icloud=failing(303)))
    assert ibackup("now", "-q").code == 0
    plugged(untrusting)
    done = doctor("--json")
    assert (done.code, done.result["blockers"]) == (0, ["icloud-storage"])
    assert check(done, "readable")["level"] == "unseen"


def test_a_locked_phone_still_reports_most(doctor: Cli, plugged: Plug) -> None:
    plugged(replace(PHONE, locked=True, cloud_backup=False))
    assert doctor("--json").result["blockers"] == ["toggle"]


def test_a_store_that_is_named_has_to_be_there(doctor: Cli, plugged: Plug, tmp_path: Path) -> None:
    plugged(PHONE)
    assert doctor("--store", tmp_path / "none").code == ExitCode.STORE_MISSING
    assert doctor().code == 0


@pytest.mark.parametrize(
    ("harm", "told"),
    [("gone", "is not mounted"), ("damaged", "store.json' is damaged")],
)
def test_a_store_that_cannot_be_read_does_not_keep_the_phone_from_being_asked(
    backed_up: Callable[..., Cli], tmp_path: Path, harm: str, told: str
) -> None:
    doctor = backed_up(OLD, spec=replace(PHONE, cloud_backup=False))
    (tmp_path / "ill" / "store.json").write_text("{")
    if harm == "gone":
        (tmp_path / "ill").rename(tmp_path / "away")
    done = doctor()
    assert done.code == 0
    assert "it is switched off" in done.flat
    assert "Warning: The doctor does not look at a local backup." in done.flat_err
    assert told in done.flat_err


# -- other sources -------------------------------------------------------------------------------------------------


def test_a_backup_of_any_program_without_the_phone(
    backed_up: Callable[..., Cli], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = backed_up(failing(209, 209))
    copy = tmp_path / "MobileSync" / PHONE.udid
    shutil.copytree(snapshots(tmp_path / "ill", PHONE)[0] / PHONE.udid, copy)
    monkeypatch.setenv("IBACKUP_STORE", str(tmp_path / "none"))
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", str(tmp_path / "none"))
    done = ask("--json", "--from-backup", copy)
    assert found(done)[:3] == ("suspect", [], ["lock"])
    assert [each["kind"] for each in _list(done.result["sources"])] == ["backup"]  # type: ignore[index]
    assert ask("--from-backup", tmp_path).code == ExitCode.NOT_A_BACKUP


def test_a_sysdiagnose(doctor: Cli, tmp_path: Path) -> None:
    archive = tmp_path / "sysdiagnose_2026.11.25.tar.gz"
    notes = plistlib.dumps(cloudfiles.notes(failing(303, 303)), fmt=plistlib.FMT_BINARY)
    with tarfile.open(archive, "w:gz") as tar:
        info = tarfile.TarInfo("sysdiagnose_2026.11.25/logs/MobileBackup/com.apple.MobileBackup.plist")
        info.size, info.mtime = len(notes), int(time.time())
        tar.addfile(info, io.BytesIO(notes))
    done = doctor("--json", "--from-sysdiagnose", archive)
    assert done.result["blockers"] == ["icloud-storage"]
    assert [each["kind"] for each in _list(done.result["sources"])] == ["sysdiagnose"]  # type: ignore[index]


def test_apple_that_cannot_be_reached_is_unseen(
    ibackup: Cli, plugged: Plug, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ibackup.doctor.gather import apple_status
    from ibackup.doctor.gather.web_feeds import Feed

    nobody = Feed("status", "https://127.0.0.1:9/status", 1000)
    monkeypatch.setattr(apple_status, "default_feeds", lambda: apple_status.Feeds(nobody, ()))
    plugged(replace(PHONE, cloud_backup=False))
    done = ibackup("doctor", "--json")
    assert done.code == 0
    assert [check(done, name)["level"] for name in ("apple-status", "ios-version")] == ["unseen", "unseen"]
    assert done.result["blockers"] == ["toggle"]


def test_watching_says_what_stops_it(doctor: Cli, plugged: Plug) -> None:
    lines = (
        LogSpec(text="[Off condition] enabled:1, locked:0, onPower:1, onWiFi:1, onCellular:0(0)"),
        LogSpec(text="Starting automatic backup"),
        LogSpec(
            text="Failed to upload AppDomain-org.example.flip:Library/x: Partial failure, MBErrorDomain:303"
        ),
        LogSpec(text="MBErrorDomain:105", process="BackupAgent2"),
    )
    plugged(replace(PHONE, signals=SignalsSpec(log=lines, packets=(PacketSpec(count=50),))))
    done = doctor("--json", "--watch", "2", "--watch-network")
    assert done.result["blockers"] == ["icloud-storage"]
    watched = [each for each in done.events if each["event"] == "watch"]
    assert watched[-1]["locked"] is False
    assert watched[-1]["started"] is True
    shown = doctor("--watch", "1s")
    assert "Now tap Back Up Now" in shown.flat_err
    assert "locked: NO" in shown.err
    assert "error 303: iCloud storage is full" in shown.flat_err


# -- the person ----------------------------------------------------------------------------------------------------


def test_what_was_said_is_remembered_for_that_phone(
    backed_up: Callable[..., Cli], ibackup: Cli, plugged: Plug
) -> None:
    ask = backed_up(replace(OLD, sizes=(SizeSpec(domain="HomeDomain", bytes=8 * GB),)))
    assert found(ask("--json"))[2] == ["icloud-storage"]
    assert found(ask("--json", "--plan", "200gb"))[2] == []
    assert found(ask("--json"))[2] == []
    assert found(ask("--json", "--icloud-used", "199.5GB"))[2] == ["icloud-storage"]
    plugged(replace(PHONE, seed=12, udid="", icloud=OLD))
    assert check(ask("--json"), "icloud-storage")["level"] == "unseen"


def test_what_the_phone_says_stands_in_for_its_notes(doctor: Cli, plugged: Plug) -> None:
    plugged(PHONE)
    done = doctor("--json", "--phone-says", "icloud-full")
    assert done.result["blockers"] == ["icloud-storage"]
    assert check(done, "icloud-storage")["evidence"][0]["source"] == "what you said"  # type: ignore[index]


@pytest.mark.parametrize(
    "line",
    [
        ("--plan", "7GB"),
        ("--icloud-used", "much"),
        ("--watch", "0"),
        ("--full",),
        ("--phone-says", "boo"),
    ],
)
def test_wrong_usage(doctor: Cli, line: tuple[str, ...]) -> None:
    assert doctor("--json", *line).code == ExitCode.USAGE


# -- what it leaves ------------------------------------------------------------------------------------------------


def test_the_exit_code_only_when_asked_for(doctor: Cli, plugged: Plug) -> None:
    plugged(replace(PHONE, cloud_backup=False))
    assert doctor("--json").code == 0
    done = doctor("--json", "--exit-code")
    assert done.code == ExitCode.ICLOUD_BLOCKED
    assert done.result["message"] == "iCloud Backup cannot run: it is switched off."
    assert "Turn on" in str(done.result["hint"])


def test_it_is_quiet_when_all_is_well(doctor: Cli, plugged: Plug) -> None:
    plugged(replace(PHONE, icloud=replace(OLD, last_backup_days=0.3)))
    assert (doctor("-q", "--exit-code").code, doctor("-q").out) == (0, "")
    assert doctor().out.startswith("iCloud Backup works.")


def test_the_page_for_support_names_nobody(backed_up: Callable[..., Cli], tmp_path: Path) -> None:
    attempts = (
        AttemptSpec(
            code=100,
            days=0.5,
            text="Failed to read “/private/var/mobile/secret/Zoe.txt” for zoe@example.org",
            path="AppDomain-org.example.flip/Documents/secret/Zoe.txt",
        ),
    )
    ask = backed_up(replace(OLD, attempts=attempts))
    page = tmp_path / "page.txt"
    page.write_text("an older one")
    done = ask("--packet", page)
    assert done.code == 0
    text = page.read_text(encoding="utf-8")
    if os.name == "posix":
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
    for secret in (PHONE.udid, PHONE.name, PHONE.serial, PHONE.imei, "Zoe", "secret", "@"):
        assert secret not in text
    for told in (
        "MBErrorDomain 100, once",
        "org.example.flip",
        f"…{PHONE.udid[-4:]}",
        "iOS: 18.6.2",
        "3. SINCE WHEN",
    ):
        assert told in text
    assert len(text.splitlines()) <= 60
    whole = ask("--packet", page, "--full")
    assert "contains the phone's name" in whole.flat_err
    assert all(told in page.read_text(encoding="utf-8") for told in (PHONE.udid, PHONE.name, "Zoe.txt"))
    assert "ibackup doctor: " in page.read_text(encoding="utf-8")  # the run before


def test_a_page_that_cannot_be_written(doctor: Cli, plugged: Plug, tmp_path: Path) -> None:
    plugged(PHONE)
    done = doctor("--packet", tmp_path / "none" / "page")
    assert done.code == ExitCode.FAILED
    assert "--packet" in done.err


def test_the_list_of_checks(ibackup: Cli) -> None:
    rows = _list(ibackup("doctor", "--list-checks", "--json").result["checks"])
    assert len(rows) == 30
    assert all(row["explains"] and row["signals"] for row in rows)  # type: ignore[index]
    text = ibackup("doctor", "--list-checks").out
    assert all(f"{info.number} {info.id}: {info.question}" in text for info in CHECKS.values())


def test_without_a_phone_and_a_backup_there_is_general_advice(doctor: Cli) -> None:
    done = doctor()
    assert done.code == 0
    assert "The phone itself was not read" in done.flat_err
    assert "Most often iCloud is full" in done.flat
    assert doctor("--json").result["status"] == "unknown"


def test_a_store_without_phones_does_not_hold_several(doctor: Cli, ibackup: Cli, tmp_path: Path) -> None:
    Store.open(tmp_path / "empty")
    said = doctor("--store", str(tmp_path / "empty")).flat
    assert "the store has no backup yet" in said
    assert "several phones" not in said


def test_a_backup_whose_password_is_not_known_makes_nothing_safe(
    ibackup: Cli, doctor: Cli, plugged: Plug, tmp_path: Path
) -> None:
    plugged(replace(PHONE, backup_password="right", icloud=failing(303)))
    assert ibackup("now", "-q").code == 0
    done = doctor()
    assert "is safe for now" not in done.flat
    assert "ibackup does not have its password" in done.flat
    file = tmp_path / "password"
    file.write_text("right\n")
    file.chmod(0o600)
    assert "is safe for now" in doctor("--password-file", file).flat
