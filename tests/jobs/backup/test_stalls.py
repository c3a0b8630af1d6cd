"""A connection that is lost or stalls: opened again once, with a warning, and never when the phone is gone."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest

from ibackup.base.errors import ConnectionLost
from ibackup.base.events import Caution, Event, PhaseStarted
from ibackup.base.exit_codes import ExitCode
from ibackup.config.stall_limits import Limits
from ibackup.device.devicelink import link
from ibackup.device.phones import links
from ibackup.simulator.faults import DropAfterBytes, DropInPhase, Fault, SilentAfterBytes
from ibackup.simulator.server import serve
from ibackup.simulator.spec import Passcode
from support.runs import SMALL, Lab, Told, assert_is_the_phone, assert_sealed

MakeLab = Callable[..., Lab]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone that falls silent is given up after some seconds, and usbmuxd notices at once."""
    limits = Limits(message_s=4, between_files_s=4, within_file_s=4)
    monkeypatch.setattr(Lab, "limits", limits)
    monkeypatch.setattr(links, "NOTICE_SECONDS", 0.4)


def attempts(lab: Lab) -> int:
    return lab.phone.journal.details("request").count("Backup")


@pytest.mark.parametrize(
    "fault",
    [
        DropAfterBytes(count=250_000, times=1),
        SilentAfterBytes(count=250_000, seconds=20, times=1),
        DropInPhase(phase="moving", after=1, times=1),
        DropAfterBytes(count=100, times=1),
    ],
    ids=["lost", "silent", "moving", "greeting"],
)
def test_the_connection_is_made_again_once(lab: Lab, fault: Fault) -> None:
    lab.phone.set_faults(fault)
    result = lab.now(retry=True)
    assert_is_the_phone(result.path, lab.phone)
    assert_sealed(result.path)
    assert lab.left == []
    (caution,) = [
        event for event in lab.told.events if isinstance(event, Caution) and "once more" in event.hint
    ]
    assert "asks for its passcode again" in caution.hint
    if isinstance(fault, SilentAfterBytes):
        assert result.resumed_bytes > 0
        assert "silent" in caution.text
        assert "The last file was" in caution.text


def test_someone_is_told_of_the_second_passcode_prompt(make_lab: MakeLab) -> None:
    lab = make_lab(replace(SMALL, passcode=Passcode(kind="answered", delay_s=0.1)))
    lab.phone.set_faults(DropAfterBytes(count=250_000, times=1))
    lab.now(retry=True)
    assert [prompt.kind for prompt in lab.told.prompts] == ["passcode", "passcode"]


def test_not_a_third_time(lab: Lab) -> None:
    lab.phone.set_faults(DropInPhase(phase="uploading", after=1))
    error = lab.fails(ConnectionLost, retry=True)
    assert attempts(lab) == 2
    assert error.exit_code is ExitCode.CONNECTION_LOST
    assert "while it sent its files" in error.what
    assert "The last file was" in error.why
    assert "continues from there" in error.hint
    (left,) = lab.left
    assert left.kind == "resumable"
    lab.phone.set_faults()
    result = lab.now()
    assert result.resumed_bytes > 0
    assert_is_the_phone(result.path, lab.phone)


def test_not_when_the_cable_was_pulled(lab: Lab) -> None:
    def pull(event: Event) -> bool:
        if isinstance(event, PhaseStarted) and event.phase == "receive":
            lab.server.detach(lab.phone)
        return False

    error = lab.fails(ConnectionLost, retry=True, told=Told(stop=pull))
    assert attempts(lab) == 1
    assert " while it " in error.what


def test_not_when_it_was_pulled_and_put_back(lab: Lab) -> None:
    """That is another connection, and someone was there who can start the command again."""
    done = False

    def pull(event: Event) -> bool:
        nonlocal done
        if not done and isinstance(event, PhaseStarted) and event.phase == "receive":
            done = True
            lab.server.detach(lab.phone)
            lab.server.attach(lab.phone)
        return False

    lab.fails(ConnectionLost, retry=True, told=Told(stop=pull))
    assert attempts(lab) == 1


def test_a_phone_that_does_not_come_back_is_told_by_the_first_error(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ibackup.jobs.backup import back_up

    def gone() -> None:
        raise ConnectionLost("The second one.")

    whole = back_up._Run.__init__

    def made(run: back_up._Run, *arguments: object) -> None:
        whole(run, *arguments[:-1], gone)  # type: ignore[arg-type, call-arg]

    monkeypatch.setattr(back_up._Run, "__init__", made)
    lab.phone.set_faults(DropAfterBytes(count=250_000, times=1))
    assert "while it sent its files" in lab.fails(ConnectionLost, retry=True).what


def test_the_bulk_connection_is_kept_alive(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network peer that is gone without a word is noticed even where no limit runs out."""
    import socket

    kept: list[tuple[int, int]] = []
    whole = link.DeviceLink.__init__

    def made(made: link.DeviceLink, sock: socket.socket, **more: object) -> None:
        kept.append(
            (
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
            )
        )
        whole(made, sock, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(link.DeviceLink, "__init__", made)
    with ExitStack() as stack:
        stack.callback(lab.server.attach, lab.phone)
        lab.server.detach(lab.phone)
        server = stack.enter_context(serve(lab.phone, port=0))
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", server.address)
        lab.now()
    assert kept == [(1, 30)]
