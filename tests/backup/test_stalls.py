"""A connection that is lost or stalls: made anew once, told, and never when the phone is gone."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import pytest

from ibackup.device import link, phone
from ibackup.errors import ConnectionLost, ExitCode
from ibackup.events import Caution, Event, PhaseStarted
from ibackup.simulator import Passcode, serve
from ibackup.simulator.faults import DropAfterBytes, DropInPhase, Fault, SilentAfterBytes
from support.runs import SMALL, Lab, Told, assert_is_the_phone, assert_sealed

MakeLab = Callable[..., Lab]


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A phone that falls silent is given up after a second, and usbmuxd notices at once."""
    patience = link.Patience(answer=5, scan=5, message=1, between_files=1, mid_file=1, send=5)
    monkeypatch.setattr(link, "Patience", lambda: patience)
    monkeypatch.setattr(phone, "NOTICE_SECONDS", 0.4)


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
def test_the_connection_is_made_anew_once(lab: Lab, fault: Fault) -> None:
    lab.phone.set_faults(fault)
    result = lab.now(retry=True)
    assert_is_the_phone(result.path, lab.phone)
    assert_sealed(result.path)
    assert lab.left == []
    (caution,) = [
        event for event in lab.told.events if isinstance(event, Caution) and "once more" in event.hint
    ]
    assert "passcode is asked for again" in caution.hint
    if isinstance(fault, SilentAfterBytes):
        assert result.resumed_bytes > 0
        assert "silent" in caution.text
        assert "The last file was" in caution.text


def test_somebody_is_told_of_the_second_passcode_prompt(make_lab: MakeLab) -> None:
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
    assert "goes on from there" in error.hint
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
    """That is another connection, and somebody was there who can start the command again."""
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
    from ibackup.backup import job

    def gone() -> None:
        raise ConnectionLost("The second one.")

    whole = job._Run.__init__

    def made(run: job._Run, *arguments: object) -> None:
        whole(run, *arguments[:-1], gone)  # type: ignore[arg-type, call-arg]

    monkeypatch.setattr(job._Run, "__init__", made)
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
