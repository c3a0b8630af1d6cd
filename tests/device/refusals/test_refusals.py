"""What a phone's error codes are told as."""

import pytest

from ibackup.base.errors import (
    ConnectionLost,
    IbackupError,
    NoRoom,
    PasswordNeeded,
    PasswordWrong,
    PersonNeeded,
    PhoneRefused,
)
from ibackup.base.exit_codes import ExitCode
from ibackup.device.refusals.backup_refusals import PURGE_MARGIN, Job, RefusalContext, refusal
from ibackup.device.refusals.error_texts import REFUSALS
from ibackup.device.refusals.lockdown_refusals import (
    LOCKDOWN_REFUSALS,
    NoSuchService,
    NoSuchValue,
    NotTrusted,
    PhoneLocked,
    TrustDenied,
    TrustPending,
    lockdown_refusal,
)

ALL_CODES = (
    1,
    2,
    3,
    4,
    9,
    10,
    11,
    12,
    22,
    25,
    100,
    101,
    102,
    103,
    104,
    105,
    106,
    202,
    203,
    204,
    205,
    207,
    208,
    209,
    210,
    211,
    212,
    223,
)

GIB = 1 << 30


def test_each_code_has_one_row() -> None:
    assert tuple(row.code for row in REFUSALS) == ALL_CODES
    names = [row.name for row in LOCKDOWN_REFUSALS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("job", ["backup", "restore", "encryption"])
@pytest.mark.parametrize("noun", ["iPhone", "iPad"])
@pytest.mark.parametrize("code", ALL_CODES)
def test_every_text_is_whole(code: int, noun: str, job: Job) -> None:
    error = refusal(code, "", context=RefusalContext(noun=noun, job=job))
    assert error.error_code == code
    assert error.what.endswith(f"(MBErrorDomain {code}).")
    assert error.hint
    everything = f"{error.what} {error.why} {error.hint}"
    assert "{" not in everything
    assert ".." not in everything
    assert noun == "iPhone" or "iPhone" not in everything
    assert error.exit_code != ExitCode.FAILED


EXITS = {105: 14, 106: 14, 202: 130, 207: 20, 208: 11, 209: 11, 212: 11}


@pytest.mark.parametrize(
    ("version", "path"),
    [
        ("14.8", "Settings > General > Profiles & Device Management"),
        ("18.6", "Settings > General > VPN & Device Management"),
        (None, "Settings > General > VPN & Device Management"),
    ],
)
def test_a_hint_names_the_path_of_the_phones_own_version(version: str | None, path: str) -> None:
    assert f"See {path} on" in refusal(22, "", context=RefusalContext(ios_version=version)).hint
    assert f"See {path}, or" in lockdown_refusal("MCProtected", ios_version=version).hint


@pytest.mark.parametrize("code", [*ALL_CODES, 4711, -1])
def test_exit_codes(code: int) -> None:
    assert refusal(code, "", context=RefusalContext()).exit_code == EXITS.get(code, 12)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "Restart the iPhone"),
        (208, "between one minute and three"),
        (209, "Do not restart it"),
        (211, "Find My"),
        (205, "--full"),
        (25, "iCloud"),
    ],
)
def test_what_to_do(code: int, words: str) -> None:
    error = refusal(code, "", context=RefusalContext())
    assert words in f"{error.message} {error.hint}"


@pytest.mark.parametrize("code", ALL_CODES)
def test_nobody_who_restores_is_told_to_back_up_again(code: int) -> None:
    error = refusal(code, "", context=RefusalContext(job="restore"))
    assert "--full" not in error.hint
    assert "--store" not in error.hint


def test_105_with_figures() -> None:
    """A phone asks to purge what is missing and 2 GiB more."""
    context = RefusalContext(free_bytes=10 * GIB, purge_bytes=5 * GIB + PURGE_MARGIN)
    assert context.needed_bytes == 15 * GIB
    error = refusal(105, "", context=context)
    assert type(error) is NoRoom
    assert error.why == (
        "The backup needs 16.1 GB (16,106,127,360 bytes), but only 10.7 GB (10,737,418,240 bytes) are free: "
        "5.37 GB (5,368,709,120 bytes) are missing."
    )
    assert "--store" in error.hint


def test_105_without_figures() -> None:
    assert refusal(105, "", context=RefusalContext()).why == ""
    assert refusal(105, "", context=RefusalContext(free_bytes=5)).why == "5 bytes are free."
    assert RefusalContext(purge_bytes=7).needed_bytes is None
    # A phone that asks for less than its own margin
    assert RefusalContext(free_bytes=0, purge_bytes=1).needed_bytes == 0
    # Nobody is to remove folders of a store by hand.
    assert "`ibackup prune`" in refusal(105, "", context=RefusalContext()).hint


def test_104_names_what_the_phone_could_not_read() -> None:
    files = tuple(f"/var/mobile/{{{number}}}.db: Input/output error" for number in range(7))
    error = refusal(104, "Multiple errors uploading files", context=RefusalContext(unreadable=files))
    assert error.why == (
        f"It could not read {'; '.join(files[:5])}; and 2 more. It said: Multiple errors uploading files"
    )
    assert "eep it unlocked" in error.hint
    assert "elete" not in error.hint, "a phone that locks itself cannot read its files either"


def test_105_of_a_restore_may_be_the_phones_own_room() -> None:
    said = "Insufficient free disk space on device to restore (44526002176 < 51895967372) (MBErrorDomain/105)"
    error = refusal(105, said, context=RefusalContext(job="restore"))
    assert type(error) is NoRoom
    assert error.error_code == 105
    assert error.what == "There is not enough space on the iPhone (MBErrorDomain 105)."
    assert "44526002176 < 51895967372" in error.why
    assert "on the iPhone" in error.hint
    other = refusal(105, "Insufficient free disk space on drive", context=RefusalContext(job="restore"))
    assert "on this computer" in other.what


def test_105_is_about_this_computer_whatever_it_says() -> None:
    error = refusal(105, "No space left on device (28) (MBErrorDomain/105)", context=RefusalContext())
    assert "on this computer" in error.what


def test_nobody_with_a_full_phone_is_sent_to_what_ios_27_refuses() -> None:
    assert "--app" not in refusal(106, "", context=RefusalContext(job="restore")).hint


def test_207_has_three_causes() -> None:
    wrong = refusal(207, "", context=RefusalContext(job="encryption", password_given=True, encrypted=True))
    assert type(wrong) is PasswordWrong
    missing = refusal(207, "", context=RefusalContext(job="restore"))
    assert type(missing) is PasswordNeeded
    profile = refusal(207, "", context=RefusalContext(requires_encryption=True))
    assert type(profile) is PhoneRefused
    assert "encryption on" in profile.hint
    assert profile.error_code == 207


_WILL_ENCRYPT = (
    "Error setting WillEncrypt value in lockdown (MBErrorDomain/1). Underlying error: Cannot remove iTunes Backup "
    "Encryption - Encrypted Backup MDM setting present on device (MBErrorDomain/22)."
)
_KEYCHAIN = (
    'Error writing keychain backup at path "/var/Keychains/keychain-backup.plist.tmp" (MBErrorDomain/100). Underlying '
    "error: The operation failed. (com.apple.security.xpc error 3)"
)


@pytest.mark.parametrize(
    ("code", "said", "job", "exit_code", "words"),
    [
        (1, _WILL_ENCRYPT, "encryption", 12, "VPN & Device Management"),
        (1, "Not today (MBErrorDomain/1). Underlying error: (MBErrorDomain/22).", "backup", 12, "profile"),
        (1, "No account exists (MBErrorDomain/1)", "icloud", 12, "Sign in"),
        (1, "Error copying keychain data (MBErrorDomain/1)", "backup", 12, "keep it unlocked"),
        (100, _KEYCHAIN, "backup", 12, "keep it unlocked"),
        (1, "No space left on device (28) (MBErrorDomain/1)", "backup", 14, "iPhone Storage"),
        (2, 'Failed to create snapshot: File exists (17) at path "/private/var"', "backup", 12, "Restart"),
        (100, 'Error Domain=MBErrorDomain Code=209 "Not yet unlocked"', "backup", 11, "not restart it"),
        (1, "The operation failed. (MBErrorDomain error 209.)", "backup", 11, "not restart it"),
        (1, "The operation failed. (MBErrorDomain error 2099.)", "backup", 12, "Restart"),
        (
            1,
            "Error (MBErrorDomain/1). Underlying error: keys (MBErrorDomain/209).",
            "backup",
            11,
            "not restart it",
        ),
        (
            2,
            "Multiple errors (MBErrorDomain/2). Underlying error: off (MBErrorDomain/223).",
            "backup",
            12,
            "power",
        ),
        (205, 'File path is invalid: "HomeDomain:/Library"', "restore", 12, "no phone writes"),
        (205, "Invalid file type: 00 (MBErrorDomain/205)", "restore", 12, "`ibackup verify` names the row"),
        (102, "mkdir error: No such file or directory", "restore", 12, "not in the backup's list"),
        (
            102,
            'Failed to move the incomplete restore directory at path "/var/.backup.i"',
            "restore",
            12,
            "must",
        ),
        (1, "A backup of a supervised device can only be restored to one", "restore", 12, "extract"),
    ],
)
def test_the_phones_own_words_are_read(code: int, said: str, job: Job, exit_code: int, words: str) -> None:
    error = refusal(code, said, context=RefusalContext(job=job, phone_free_bytes=9_000_000))
    assert (error.error_code, error.exit_code) == (code, exit_code)
    assert words in f"{error.what} {error.why} {error.hint}"
    assert f"It said: {said}" in error.why
    assert "no reason" not in error.why
    assert exit_code != 14 or "It has 9 MB (9,000,000 bytes) free." in error.why
    assert exit_code != 11 or "Restart" not in error.hint


@pytest.mark.parametrize("code", ALL_CODES)
def test_nobody_who_hears_a_reason_is_told_that_there_was_none(code: int) -> None:
    error = refusal(code, "The reason", context=RefusalContext())
    assert "no reason" not in error.why
    assert "does not say" not in error.why
    assert "no reason" in refusal(1, "", context=RefusalContext()).why


def test_a_code_inside_that_says_no_more_changes_nothing() -> None:
    said = "Error removing snapshot directory (MBErrorDomain/104). Underlying error: not empty (MBErrorDomain/100)."
    assert refusal(104, said, context=RefusalContext()).what.startswith("The iPhone could not hand over")


def test_unknown_codes_are_passed_on_whole() -> None:
    error = refusal(999, "The flux capacitor is cold", context=RefusalContext(noun="iPad"))
    assert type(error) is PhoneRefused
    assert error.error_code == 999
    assert "999" in error.what
    assert "iPad" in error.what
    assert "The flux capacitor is cold" in error.why


def test_the_phones_own_words_are_kept_and_harmless() -> None:
    error = refusal(104, "\x1b[2JMultiple errors uploading files" + "!" * 9999, context=RefusalContext())
    assert "Multiple errors uploading files" in error.why
    assert "\x1b" not in error.why
    assert len(error.why) < 600


KINDS: dict[str, type[IbackupError]] = {
    **dict.fromkeys(["PasswordProtected", "PasscodeRequired", "EscrowLocked"], PhoneLocked),
    "PairingDialogResponsePending": TrustPending,
    "UserDeniedPairing": TrustDenied,
    **dict.fromkeys(["MissingHostID", "InvalidHostID", "MissingPairRecord", "InvalidPairRecord"], NotTrusted),
    **dict.fromkeys(["SavePairRecordFailed", "PairingProhibitedOverThisConnection"], PersonNeeded),
    **dict.fromkeys(
        ["SessionActive", "SessionInactive", "MissingSessionID", "InvalidSessionID", "InvalidConnection"],
        ConnectionLost,
    ),
    "InvalidService": NoSuchService,
    "MissingValue": NoSuchValue,
}
"""What is no plain refusal."""

NAMES = (
    "InvalidResponse",
    "MissingKey",
    "MissingValue",
    "GetProhibited",
    "SetProhibited",
    "RemoveProhibited",
    "ImmutableValue",
    "PasswordProtected",
    "UserDeniedPairing",
    "PairingDialogResponsePending",
    "MissingHostID",
    "InvalidHostID",
    "SessionActive",
    "SessionInactive",
    "MissingSessionID",
    "InvalidSessionID",
    "MissingService",
    "InvalidService",
    "ServiceLimit",
    "MissingPairRecord",
    "SavePairRecordFailed",
    "InvalidPairRecord",
    "InvalidActivationRecord",
    "MissingActivationRecord",
    "ServiceProhibited",
    "EscrowLocked",
    "PairingProhibitedOverThisConnection",
    "FMiPProtected",
    "MCProtected",
    "MCChallengeRequired",
    "InvalidConnection",
    "PasscodeRequired",
)
"""Every error that lockdownd is known to have."""


def test_each_of_lockdowns_errors_has_a_row() -> None:
    assert sorted(row.name for row in LOCKDOWN_REFUSALS) == sorted(NAMES)


@pytest.mark.parametrize("name", [*NAMES, "SomethingNew"])
def test_lockdowns_errors(name: str) -> None:
    error = lockdown_refusal(name, noun="iPad", doing="start com.apple.afc")
    assert type(error) is KINDS.get(name, PhoneRefused)
    assert name in error.what
    assert error.hint
    assert error.exit_code in {11, 12, 13}
    assert "iPhone" not in f"{error} {error.hint}"
    assert "{" not in f"{error} {error.hint}"


def test_an_unknown_lockdown_error_says_what_was_asked() -> None:
    error = lockdown_refusal("Weird\x07", doing="start com.apple.afc")
    assert "com.apple.afc" in error.why
    assert "\x07" not in error.what
