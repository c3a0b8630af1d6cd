"""The tables that the doctor judges and speaks by."""

from dataclasses import replace

import pytest

from ibackup.doctor.checks.all_checks import ALL
from ibackup.doctor.checks.icloud_size import estimate, shares, upload_seconds
from ibackup.doctor.evidence.noted_evidence import BackupSizes, Sizing
from ibackup.doctor.evidence.phone_evidence import AppSize, Disk
from ibackup.doctor.evidence.sighting import Seen
from ibackup.doctor.tables import icloud_error_codes, steps
from ibackup.doctor.tables.catalog import CHECKS, SCREEN_ORDER
from ibackup.doctor.tables.cloud_apps import OWN_CLOUD, app_name
from ibackup.doctor.tables.common_questions import ASKED
from ibackup.doctor.tables.finding import FindingLevel, Step
from support.doctoring import BACKUP, GB, SOUND, noted, phone, usb, without_notes

EVERY_STEP = {name: each for name, each in vars(steps).items() if isinstance(each, Step)}


def test_there_are_thirty_checks_each_with_a_number_a_function_and_words() -> None:
    assert [check.number for check in CHECKS.values()] == [f"C{number:02}" for number in range(1, 31)]
    assert set(ALL) == set(CHECKS) == set(SCREEN_ORDER)
    assert SCREEN_ORDER[:3] == ("readable", "last-success", "toggle")
    for check in CHECKS.values():
        assert check.question.endswith("?")
        assert check.explains.endswith(".")


def test_every_step_belongs_to_a_check_and_says_where_its_place_is() -> None:
    used = {step for check in CHECKS.values() for step in check.steps}
    assert used == set(EVERY_STEP.values())
    for check in CHECKS.values():
        assert len(set(check.steps)) == len(check.steps)


def test_what_can_lose_something_is_risky_and_what_looks_or_buys_is_not() -> None:
    risky = {name for name, step in EVERY_STEP.items() if step.risky}
    assert risky >= {"SIGN_OUT", "RESET_NETWORK", "DELETE_CLOUD_BACKUP", "UPDATE_IOS", "DELETE_OLD_BACKUPS"}
    # Switching an app off deletes what iCloud has of it, which may be the only copy beside the phone.
    assert risky >= {"NAMED_APP_OFF", "HALVE_APPS"}
    assert not risky & {"BIGGER_PLAN", "LOOK_AT_STORAGE", "TEMPORARY_STORAGE"}
    assert all(step.disruption >= 3 for step in EVERY_STEP.values() if step.risky)


def test_each_number_speaks_for_a_check_that_is_there() -> None:
    for code, meaning in icloud_error_codes.known_codes().items():
        assert not meaning.check or meaning.check in CHECKS, code
        assert bool(meaning.check) == any(meaning.levels), code
        assert FindingLevel.BLOCKER not in meaning.levels or meaning.clear, code


@pytest.mark.parametrize(
    ("domain", "code", "same_as"),
    [
        ("CKErrorDomain", 3, 308),
        ("CKErrorDomain", 4, 300),
        ("CKErrorDomain", 6, 304),
        ("CKErrorDomain", 36, 304),
        ("CKErrorDomain", 7, 17),
        ("CKErrorDomain", 23, 17),
        ("CKErrorDomain", 9, 305),
        ("CKErrorDomain", 25, 303),
        ("CKErrorDomain", 20, 202),
        ("NSURLErrorDomain", -999, 202),
        ("NSURLErrorDomain", -1009, 308),
        ("NSCocoaErrorDomain", 640, 106),
        ("NSCocoaErrorDomain", 4096, 18),
        ("NSCocoaErrorDomain", 4097, 19),
        ("NSCocoaErrorDomain", 4101, 18),
        ("NSCocoaErrorDomain", 4224, 18),
        ("NSPOSIXErrorDomain", 28, 105),
    ],
)
def test_other_domains_are_translated(domain: str, code: int, same_as: int) -> None:
    assert icloud_error_codes.meaning(domain, code) == icloud_error_codes.meaning("MBErrorDomain", same_as)


def test_what_is_not_known_says_only_that_something_failed() -> None:
    for domain, code in (("MBErrorDomain", 12345), ("SomeDomain", 303), ("", 0)):
        assert icloud_error_codes.meaning(domain, code).check == "history"
    assert icloud_error_codes.meaning("NSURLErrorDomain", -1234).check == "network"


# -- sizes -----------------------------------------------------------------------------------------------------


def test_the_phones_own_figure_goes_before_a_manifest_and_that_before_the_apps() -> None:
    apps = phone(without_notes(), apps=usb((AppSize("a.b", "A", 10 * GB),)), disk=usb(Disk(photos=GB)))
    by_apps = estimate(apps)
    assert by_apps is not None
    assert (by_apps.low, by_apps.high) == (5 * GB, 11 * GB)
    manifest = Seen(
        BackupSizes(domains={"CameraRollDomain": 9 * GB, "HomeDomain": GB, "BooksDomain": GB}), BACKUP
    )
    with_manifest = replace(apps, noted=replace(apps.noted, sizes=manifest))
    by_manifest = estimate(with_manifest)
    assert by_manifest is not None
    assert (by_manifest.low, by_manifest.high) == (
        GB,
        10 * GB,
    )  # photos count only while iCloud Photos is off
    own = estimate(noted(with_manifest, sizing=Sizing(total=3 * GB, domains={})))
    assert own is not None
    assert (own.low, own.high, own.text) == (3 * GB, 3 * GB, "about 3 GB")
    assert estimate(without_notes()) is None


def test_only_large_apps_with_a_cloud_of_their_own_may_go() -> None:
    domains = {
        "AppDomain-com.spotify.client": 2 * GB,
        "AppDomain-com.google.Gmail": GB // 10,
        "AppDomain-org.whispersystems.signal": 3 * GB,
        "AppDomain-com.example.diary": 4 * GB,
        "AppDomain-net.whatsapp.WhatsApp": GB,
        "AppDomainGroup-group.net.whatsapp.WhatsApp.shared": 5 * GB,
        "AppDomainPlugin-com.spotify.client.widget": GB,
        "HomeDomain": 9 * GB,
    }
    known = shares(noted(sizing=Sizing(total=25 * GB, domains=domains)))
    assert known is not None
    assert [(each.key, each.size // GB) for each in known.shares] == [
        ("HomeDomain", 9),
        ("net.whatsapp.WhatsApp", 6),
        ("com.example.diary", 4),
        ("com.spotify.client", 3),
        ("org.whispersystems.signal", 3),
        ("com.google.Gmail", 0),
    ]
    assert [each.name for each in known.can_go] == ["WhatsApp", "Spotify"]
    assert "Chat Backup" in known.can_go[0].advice


def test_nothing_that_has_no_other_copy_is_on_the_list() -> None:
    unwanted = ("signal", "authenticator", "notes", "bank", "health", "camera", "record")
    assert not [each for each in OWN_CLOUD if any(word in each.casefold() for word in unwanted)]
    assert app_name("com.example.x", "My X") == "My X"
    assert app_name("com.spotify.client") == "Spotify"


def test_how_long_sending_takes() -> None:
    # 5 GB take about 2.7 h at 5 Mbit/s, 1.3 h at 10, 0.3 h at 40.
    assert [round(upload_seconds(5 * GB, each * 1e6) / 3600, 1) for each in (5, 10, 40)] == [2.7, 1.3, 0.3]


def test_the_questions_people_ask_are_answered() -> None:
    text = " ".join(asked.question + asked.answer for asked in ASKED)
    for word in ("contain", "How often", "several devices", "180 days", "deletion"):
        assert word in text
    assert estimate(SOUND) is None
