"""Messages of a phone, as typed records."""

import math

import pytest

from ibackup.base.errors import ProtocolBroken
from ibackup.base.exit_codes import ExitCode
from ibackup.device.devicelink import requests

EMPTY = "___EmptyParameterString___"
OPTIONS = {"DLDeviceIOCallbacks": 1}

LAYOUTS: list[tuple[list[object], requests.PhoneRequest]] = [
    (
        ["DLMessageDownloadFiles", ["U/a", "U/b"], OPTIONS, 1.5, 99],
        requests.DownloadFiles(("U/a", "U/b"), 99, progress=1.5),
    ),
    (["DLMessageDownloadFiles", [], EMPTY, 0.0, 0], requests.DownloadFiles((), 0, progress=0.0)),
    (["DLMessageUploadFiles", OPTIONS, 100.0, 1 << 40], requests.UploadFiles(1 << 40, progress=100.0)),
    (["DLMessageMoveItems", {"U/a": "U/b"}, EMPTY, 7], requests.MoveItems((("U/a", "U/b"),), progress=7.0)),
    (["DLMessageMoveFiles", {"U/a": "U/b"}], requests.MoveItems((("U/a", "U/b"),))),
    (["DLMessageRemoveItems", ["U/a"], OPTIONS, 2.0], requests.RemoveItems(("U/a",), progress=2.0)),
    (["DLMessageRemoveFiles", ["U/a"]], requests.RemoveItems(("U/a",))),
    (["DLMessageRemoveDirectory", "U/a", OPTIONS, 2.0], requests.RemoveItems(("U/a",), progress=2.0)),
    (["DLMessageCreateDirectory", "U/a", OPTIONS, 2.0], requests.CreateDirectory("U/a", progress=2.0)),
    (["DLContentsOfDirectory", "U", OPTIONS, 2.0], requests.ListDirectory("U", progress=2.0)),
    (["DLMessageCopyItem", "U/a", "U/b", OPTIONS, 2.0, 5], requests.CopyItem("U/a", "U/b", progress=2.0)),
    (["DLMessageGetFreeDiskSpace"], requests.FreeSpace()),
    (["DLMessagePurgeDiskSpace", 5 << 30, 4], requests.PurgeSpace(5 << 30)),
    (["DLMessageDisconnect", "bye"], requests.Disconnect("bye")),
    (["DLMessageDisconnect", EMPTY], requests.Disconnect("")),
    (["DLMessageDisconnect"], requests.Disconnect("")),
    (["DLMessageProcessMessage", {"MessageName": "x"}], requests.Process({"MessageName": "x"})),
]


@pytest.mark.parametrize(("message", "request_"), LAYOUTS)
def test_every_layout(message: list[object], request_: requests.PhoneRequest) -> None:
    assert requests.parse(message) == request_


@pytest.mark.parametrize(
    "message",
    [
        ["DLMessageDownloadFiles"],
        ["DLMessageDownloadFiles", "U/a"],
        ["DLMessageDownloadFiles", [1]],
        ["DLMessageDownloadFiles", [b"U/a"]],
        ["DLMessageMoveItems", ["U/a"]],
        ["DLMessageMoveItems", {"U/a": 1}],
        ["DLMessageRemoveItems", {"U/a": "U/b"}],
        ["DLMessageCreateDirectory", None],
        ["DLContentsOfDirectory", 5],
        ["DLMessageCopyItem", "U/a"],
        ["DLMessageProcessMessage", "Response"],
    ],
)
def test_what_makes_no_sense(message: list[object]) -> None:
    with pytest.raises(ProtocolBroken) as caught:
        requests.parse(message)
    assert caught.value.exit_code == ExitCode.PHONE_REFUSED
    assert caught.value.hint


@pytest.mark.parametrize("name", ["DLMessageStatusResponse", "DLMessageNobodyKnows", "", "x" * 999])
def test_a_message_that_nobody_knows(name: str) -> None:
    assert requests.parse([name, 0, EMPTY, {}]) == requests.UnknownRequest(name)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 100.1, "50", True, None, {}, 10**400])
def test_progress_that_is_none(value: object) -> None:
    assert requests.parse(["DLMessageUploadFiles", EMPTY, value, 5]).progress is None


@pytest.mark.parametrize("value", [-5, "5", None, True, math.nan, math.inf, 1.5])
def test_a_total_that_is_none(value: object) -> None:
    assert requests.parse(["DLMessageUploadFiles", EMPTY, 1.0, value]) == requests.UploadFiles(
        None, progress=1.0
    )
