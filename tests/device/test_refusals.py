"""What a phone's error codes are told as."""

import pytest

from ibackup.device.lockdown_refusals import (
    LOCKDOWN_REFUSALS,
    NoSuchService,
    NotTrusted,
    PhoneLocked,
    TrustDenied,
    TrustPending,
    lockdown_refusal,
)
from ibackup.device.refusals import PURGE_MARGIN, REFUSALS, Job, RefusalContext, refusal, size
from ibackup.errors import (
    ConnectionLost,
    ExitCode,
    IbackupError,
    NoRoom,
    PasswordNeeded,
    PasswordWrong,
    PersonNeeded,
    PhoneRefused,
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
    210,
    211,
    212,
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


EXITS = {105: 14, 106: 14, 202: 130, 207: 20, 208: 11, 212: 11}


@pytest.mark.parametrize("code", [*ALL_CODES, 4711, -1])
def test_exit_codes(code: int) -> None:
    assert refusal(code, "", context=RefusalContext()).exit_code == EXITS.get(code, 12)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (3, "Restart the iPhone"),
        (208, "a minute or so"),
        (211, "Find My"),
        (205, "ibackup verify"),
        (25, "iCloud"),
    ],
)
def test_what_to_do(code: int, words: str) -> None:
    error = refusal(code, "", context=RefusalContext())
    assert words in f"{error.message} {error.hint}"


@pytest.mark.parametrize("code", ALL_CODES)
def test_nobody_who_restores_is_told_to_back_up_anew(code: int) -> None:
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
        "The backup needs 16.1 GB (16,106,127,360 bytes), 10.7 GB (10,737,418,240 bytes) are free: "
        "5.4 GB (5,368,709,120 bytes) are missing."
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
    assert "keep it unlocked" in error.hint
    assert "elete" not in error.hint, "a phone that locks itself cannot read its files either"


def test_105_of_a_restore_may_be_the_phones_own_room() -> None:
    said = "Insufficient free disk space on device to restore (44526002176 < 51895967372) (MBErrorDomain/105)"
    error = refusal(105, said, context=RefusalContext(job="restore"))
    assert type(error) is NoRoom
    assert error.error_code == 105
    assert error.what == "There is not enough room on the iPhone (MBErrorDomain 105)."
    assert "44526002176 < 51895967372" in error.why
    assert "on the iPhone" in error.hint
    other = refusal(105, "Insufficient free disk space on drive", context=RefusalContext(job="restore"))
    assert "on this computer" in other.what


def test_207_has_three_causes() -> None:
    wrong = refusal(207, "", context=RefusalContext(job="encryption", password_given=True, encrypted=True))
    assert type(wrong) is PasswordWrong
    missing = refusal(207, "", context=RefusalContext(job="restore"))
    assert type(missing) is PasswordNeeded
    profile = refusal(207, "", context=RefusalContext(requires_encryption=True))
    assert type(profile) is PhoneRefused
    assert "encryption on" in profile.hint
    assert profile.error_code == 207


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


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (61_200_000_000, "61.2 GB"),
        (5 * 10**15, "5000.0 TB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
