"""What of a message goes into a trace."""

import json
import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibackup.trace.redaction import Redaction, coarse, rounded

UDID = "00008101-000A0B0C0D0E0F01"
FILE_ID = "3d0d7e5fb2ce288813306e4d4636395e047a3d28"  # HomeDomain-Library/SMS/sms.db: anybody can find it out


def test_paths() -> None:
    redaction = Redaction()
    moved = redaction.path(f"{UDID}/3d/{FILE_ID}")
    phone, folder, name = moved.split("/")
    assert phone == redaction.identity(UDID) == redaction.identity(UDID.replace("-", "").lower())
    assert name.startswith(folder)
    assert FILE_ID[:6] not in moved
    assert redaction.path(f"{UDID}/Snapshot/3d/{FILE_ID}") == f"{phone}/Snapshot/{folder}/{name}"
    assert redaction.path(f"{UDID}/Snapshot/3d") == f"{phone}/Snapshot/3d"
    assert redaction.path(f"{UDID}/Status.plist") == f"{phone}/Status.plist"
    assert redaction.path(f"{UDID}-20261130-120000") == f"{phone}-aside"
    there = redaction.path("/var/mobile/Media/DCIM/100ZOE/zoe.jpg")
    assert there.startswith("/var/mobile/Media/DCIM/")
    assert "zoe" not in there.lower()
    assert redaction.path("/var/mobile/Media/DCIM/100ZOE/zoe.jpg") == there
    assert len(redaction.path("/".join(map(str, range(2000))))) < 200


def test_stand_ins_are_another_trace_s_own() -> None:
    assert Redaction().path(f"{UDID}/3d/{FILE_ID}") != Redaction().path(f"{UDID}/3d/{FILE_ID}")


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("Device locked (MBErrorDomain/208)", "Device locked (MBErrorDomain/208)"),
        (
            'Failed to create snapshot: File exists (17) at path "/private/var" (MBErrorDomain/3)',
            'Failed to create snapshot: File exists (17) at path "/private/var" (MBErrorDomain/3)',
        ),
        ("Invalid password of Zoë\u2019s iPhone", "Invalid password of … iPhone"),
        ("Error reading Anna.txt at anna@example.org", "Error reading … at …"),
        ("Not found: AppDomain-org.example.diary", "Not found: …"),
        ("Number 490154203237518 is unknown", "Number … is unknown"),
        ("Gerät gesperrt", "… …"),
        ("No answer from +49 170 123 456 789", "No answer from … … … … …"),
        ("No answer from (555) 012 34", "No answer from (…) … …"),
        ("Lost 3c:22:10:45:99:01 at 10:42:17 on 30 11 26", "Lost … at … on … … …"),
        ("Error 17 (com.apple.security.xpc/3).", "Error 17 (com.apple.security.xpc/3)."),
        (
            'Error Domain=MBErrorDomain Code=209 "Zoë" UserInfo={NSFilePath=/private/var}',
            'Error Domain=MBErrorDomain Code=209 "…" UserInfo={NSFilePath=/private/var}',
        ),
    ],
)
def test_what_a_phone_says(said: str, kept: str) -> None:
    assert Redaction().sentence(said) == kept


WORDS = """
Backup Restore Info List Unback Extract ChangePassword EnableCloudBackup EraseDevice Response Hello
GetValue SetValue StartService StartSession StopSession QueryType Pair ValidatePair InvalidHostID
PasswordProtected EscrowLocked PairingDialogResponsePending UserDeniedPairing MissingValue GetProhibited
InvalidService SessionInactive PairingProhibitedOverThisConnection ListDevices Listen Connect ReadBUID
ReadPairRecord SavePairRecord Attached Detached Result ObserveNotification PostNotification
RelayNotification ProxyDeath Shutdown Browse BrowsingApplications Complete
com.apple.itunes-client.syncCancelRequest com.apple.itunes-mobdev.syncWillStart
com.apple.itunes-mobdev.syncDidFinish com.apple.itunes-mobdev.syncLockRequest
com.apple.mobile.backup.domain_changed com.apple.mobile.diagnostics_relay
com.apple.LocalAuthentication.ui.presented com.apple.LocalAuthentication.ui.dismissed
com.apple.mobilebackup2 com.apple.mobile.notification_proxy com.apple.mobile.installation_proxy
com.apple.springboardservices com.apple.afc com.apple.mobile.data_sync com.apple.disk_usage
com.apple.fmip com.apple.purplebuddy com.apple.mobile.wireless_lockdown MissingHostID MinITunesVersion
getIconPNGData
"""


@pytest.mark.parametrize("word", WORDS.split())
def test_words_of_the_protocol(word: str) -> None:
    assert Redaction().sentence(word) == word


def test_paths_in_what_a_phone_says() -> None:
    said = Redaction().sentence('Cannot open "/var/mobile/Library/Zoe/secret plan.txt": No such file')
    assert said.startswith('Cannot open "/var/mobile/Library/')
    for word in ("Zoe", "secret", "plan", "txt"):
        assert word not in said


def test_dates_written_like_paths() -> None:
    told = Redaction().sentence("changed on 30/11/2026 and 05/12")
    assert not {"30", "11", "05", "12"} & set(re.split(r"[ /]", told))


def test_a_name_that_only_looks_like_the_protocol_s() -> None:
    told = Redaction().message(["DLMessageRemoveItems", ["DLZoe", "DLMessageZoe"], {}, 1.0])
    assert "Zoe" not in str(told)


def test_numbers_of_a_message_that_nobody_knows() -> None:
    told = Redaction().message(["DLMessageNew", 785000000.25, float("nan"), -122.25])
    assert told == ["DLMessageNew", {"~": "real"}, {"~": "real"}, {"~": "real"}]


def test_lockdown_answers() -> None:
    redaction = Redaction()
    answer = {
        "Request": "GetValue",
        "Value": {
            "DeviceName": "Zoë",
            "ProductVersion": "27.0",
            "ProductType": "Zoë's own",  # not what such a value looks like
            "WillEncrypt": True,
            "UniqueChipID": 123456789,
            "UniqueDeviceID": UDID,
            "SerialNumber": "F17XXXXXXXXX",
            "SomethingNew": 5,
            "TotalDiskCapacity": 127_989_493_760,
            "Zoë": "her own key",
            "com.apple.mobile.backup": {},
            "com.apple.Zoë": {},
            "DevicePublicKey": b"x" * 426,
            "LastBackup": datetime(2026, 1, 2, tzinfo=UTC),
        },
    }
    told = redaction.message(answer)
    assert isinstance(told, dict)
    value = told["Value"]
    assert told["Request"] == "GetValue"
    assert value["ProductVersion"] == "27.0"
    assert value["WillEncrypt"] is True
    assert value["UniqueDeviceID"] == redaction.identity(UDID)
    assert value["DevicePublicKey"] == {"~": "data", "n": 512}
    for key in ("DeviceName", "ProductType", "SerialNumber"):
        assert value[key] == {"~": "text"}
    assert value["UniqueChipID"] == {"~": "int"}
    assert "com.apple.mobile.backup" in value
    text = json.dumps(told, ensure_ascii=False)
    for secret in ("Zo", "F17", "123456789", "her own", "127989493760", "2026"):
        assert secret not in text


def test_bundle_identifiers() -> None:
    redaction = Redaction()
    told = redaction.value(
        {
            "CurrentList": [
                {"CFBundleIdentifier": "org.example.diary"},
                {"CFBundleIdentifier": "com.apple.books"},
            ]
        }
    )
    assert told == {
        "CurrentList": [
            {"CFBundleIdentifier": redaction.bundle("org.example.diary")},
            {"CFBundleIdentifier": "com.apple.books"},
        ]
    }
    assert "diary" not in str(told)


def test_device_link() -> None:
    redaction = Redaction()
    phone = redaction.identity(UDID)
    source, target = f"{UDID}/Snapshot/3d/{FILE_ID}", f"{UDID}/3d/{FILE_ID}"
    assert redaction.message(["DLMessageMoveItems", {source: target}, {}, 97.5]) == [
        "DLMessageMoveItems",
        {redaction.path(source): None},
        {},
        97.5,
    ]
    assert redaction.message(["DLMessageVersionExchange", 400, 0]) == ["DLMessageVersionExchange", 400, 0]
    upload = redaction.message(["DLMessageUploadFiles", {"DLDeviceIOCallbacks": 4955806704}, 13.0, 6878833])
    assert upload == [
        "DLMessageUploadFiles",
        {"DLDeviceIOCallbacks": {"~": "int", "bits": 33}},
        13.0,
        rounded(6878833),
    ]
    failed = {target: {"DLFileErrorString": "No such file", "DLFileErrorCode": -6}}
    assert redaction.message(["DLMessageStatusResponse", -13, "Multi status", failed]) == [
        "DLMessageStatusResponse",
        -13,
        "Multi status",
        {redaction.path(target): {"DLFileErrorString": "No such file", "DLFileErrorCode": -6}},
    ]
    listing = {
        FILE_ID: {
            "DLFileType": "DLFileTypeRegular",
            "DLFileSize": 5,
            "DLFileModificationDate": datetime(2026, 1, 2, tzinfo=UTC),
        }
    }
    answer = redaction.message(["DLMessageStatusResponse", 0, "", listing])
    assert isinstance(answer, list)
    assert answer[-1] == {redaction.path(target).rpartition("/")[2]: 5}
    asked = redaction.message(
        [
            "DLMessageProcessMessage",
            {
                "MessageName": "ChangePassword",
                "TargetIdentifier": UDID,
                "OldPassword": "a",
                "NewPassword": "device",
            },
        ]
    )
    assert asked == [
        "DLMessageProcessMessage",
        {
            "MessageName": "ChangePassword",
            "TargetIdentifier": phone,
            "OldPassword": {"~": "text"},
            "NewPassword": {"~": "text"},
        },
    ]


def test_sizes_are_rounded() -> None:
    for size in (0, 16, 189, 1023):
        assert rounded(size) == size
    for size in (4096, 6_878_833, 12_345_678_912):
        assert size * 0.9375 <= rounded(size) <= size
        assert (rounded(size) % 16 == 0) == (size % 16 == 0)
    assert coarse(1388) == 2048


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.binary(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.lists(ANYTHING, max_size=6))
def test_anything_becomes_json(message: list[object]) -> None:
    json.loads(json.dumps(Redaction().message(["DLMessageNew", *message]), allow_nan=False))
    json.loads(json.dumps(Redaction().message({"key": message}), allow_nan=False))
