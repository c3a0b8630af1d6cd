from collections.abc import Callable
from pathlib import Path

import pytest

from ibackup.apple.backup import Backup
from ibackup.explore.selection import PRESETS, Finder, Selection
from support.minted import Mint, Minted, Spec

PATHS = [
    ("HomeDomain", "Library/SMS/sms.db"),
    ("HomeDomain", "Library/SMS/Attachments/0a/10/at_0/IMG.heic"),
    ("MediaDomain", "Library/SMS/Attachments/0b/11/at_1/tone.caf"),
    ("HomeDomain", "Library/AddressBook/AddressBook.sqlitedb"),
    ("HomeDomain", "Library/CallHistoryDB/CallHistory.storedata"),
    ("HomeDomain", "Library/Calendar/Calendar.sqlitedb"),
    ("HomeDomain", "Library/Notes/notes.sqlite"),
    ("HomeDomain", "Library/Preferences/com.example.plist"),
    ("AppDomainGroup-group.com.apple.notes", "NoteStore.sqlite"),
    ("MediaDomain", "Media/Recordings/20261122 093000.m4a"),
    ("AppDomainGroup-group.com.apple.VoiceMemos.shared", "Recordings/CloudRecordings.db"),
    ("AppDomain-net.whatsapp.WhatsApp", "Documents/blockedcontacts.dat"),
    ("AppDomainGroup-group.net.whatsapp.WhatsApp.shared", "ChatStorage.sqlite"),
    ("AppDomainPlugin-net.whatsapp.WhatsApp.ServiceExtension", "Library/a"),
    ("CameraRollDomain", "Media/DCIM/100APPLE/IMG_0001.HEIC"),
    ("CameraRollDomain", "Media/PhotoData/Mutations/DCIM/100APPLE/IMG_0001/Adjustments/FullSizeRender.jpg"),
    ("CameraRollDomain", "Media/PhotoData/Photos.sqlite"),
    ("AppDomain-com.example.app", "Documents/IMG_9.JPG"),
    ("AppDomain-com.example.application", "Documents/not the same app"),
    ("AppDomainGroup-group.com.example.app.shared", "a"),
    ("AppDomainPlugin-com.example.app.widget", "b"),
    ("HomeDomain", "Library/Voicemail/1.amr"),
    ("HomeDomain", "Library/Reminders/Container_v1/Stores/Data-local.sqlite"),
    ("AppDomainGroup-group.com.apple.reminders", "Container_v1/Stores/Data-7E57.sqlite"),
    ("HomeDomain", "Library/Safari/Profiles/7E57/History.db"),
    ("AppDomain-com.apple.mobilesafari", "Library/Safari/History.db"),
    ("HealthDomain", "Health/healthdb_secure.sqlite"),
    ("CameraRollDomain", "Media/PhotoData/PhotoCloudSharingData/1/A/100CLOUD/IMG_0005.JPG"),
    ("CameraRollDomain", "Media/PhotoData/Thumbnails/V2/DCIM/100APPLE/IMG_0001.HEIC/5003.JPG"),
]
JPEGS = [15, 17, 27, 28]


@pytest.fixture
def backup(mint: Mint, opened: Callable[[Minted], Backup]) -> Backup:
    specs = [Spec(domain, path, b"x") for domain, path in PATHS]
    return opened(mint(None, specs=specs, parents=False))


def chosen(backup: Backup, selection: Selection) -> list[tuple[str, str]]:
    found = sorted((entry.domain, entry.relative_path) for entry in selection.entries(backup))
    assert found == sorted((row.domain, row.relative_path) for row in selection.rows(backup))
    return found


@pytest.mark.parametrize(
    ("preset", "numbers"),
    [
        ("messages", [0, 1, 2]),
        ("contacts", [3]),
        ("calls", [4]),
        ("calendar", [5]),
        ("notes", [6, 8]),
        ("voice-memos", [9, 10]),
        ("whatsapp", [11, 12, 13]),
        ("photos", [14, 15, 27]),
        ("voicemail", [21]),
        ("reminders", [22, 23]),
        ("safari", [24, 25]),
        ("health", [26]),
    ],
)
def test_presets(backup: Backup, preset: str, numbers: list[int]) -> None:
    assert chosen(backup, Selection.of(presets=[preset])) == sorted(PATHS[number] for number in numbers)


def test_an_app_is_its_container_its_plugins_and_its_groups(backup: Backup) -> None:
    assert chosen(backup, Selection.of(apps=["com.example.app"])) == sorted(
        PATHS[number] for number in (17, 19, 20)
    )


def test_apples_groups_are_known(backup: Backup) -> None:
    assert chosen(backup, Selection.of(apps=["com.apple.mobilenotes"])) == [PATHS[8]]


def test_domains_and_patterns_for_them(backup: Backup) -> None:
    assert len(chosen(backup, Selection.of(domains=["HomeDomain"]))) == 10
    assert len(chosen(backup, Selection.of(domains=["AppDomain-*"]))) == 4
    assert len(chosen(backup, Selection.of(domains=["HomeDomain", "MediaDomain"]))) == 12
    assert chosen(backup, Selection.of(domains=["NoDomain"])) == []


def test_like_cuts_whatever_else_is_chosen(backup: Backup) -> None:
    assert chosen(backup, Selection.of(like=["*.jpg"])) == sorted(PATHS[n] for n in JPEGS)
    assert chosen(backup, Selection.of(presets=["messages"], like=["*.heic", "*.caf"])) == sorted(
        [PATHS[1], PATHS[2]]
    )


def test_nothing_said_is_everything(backup: Backup) -> None:
    assert chosen(backup, Selection()) == sorted(PATHS)


def test_finder() -> None:
    def found(pattern: str) -> list[int]:
        return [n for n, (domain, path) in enumerate(PATHS) if Finder(pattern).matches(domain, path)]

    assert found("sms.db") == [0]
    assert found("HomeDomain") == [0, 1, 3, 4, 5, 6, 7, 21, 22, 24]
    assert found("HomeDomain/Library/SMS/*") == [0, 1]
    assert found("Library/SMS/*") == [0, 1, 2]
    assert found("*.jpg") == JPEGS
    assert found("AppDomain-net*") == [11]
    assert found("HomeDomain/Library/SMS/sms.db") == [0]
    assert found("db") == []


def test_the_presets_are_documented() -> None:
    page = Path(__file__).resolve().parents[2] / "docs/howto-look-inside.md"
    text = page.read_text(encoding="utf-8")
    for name, rules in PRESETS.items():
        (line,) = [line for line in text.splitlines() if line.startswith(f"| `--{name}`")]
        for rule in rules:
            assert f"`{rule.domain}`" in line, (name, rule)
            assert rule.path == "*" or f"`{rule.path}`" in line, (name, rule)
