"""``watch``: phones that are plugged in, one after the other, while usbmuxd and the computer come and go."""

import socket
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from ibackup.base.events import Note
from ibackup.base.exit_codes import ExitCode
from ibackup.config.config_schema import PhoneConfig
from ibackup.device.mux import usbmux
from ibackup.device.mux.usbmux import Usbmux, parse_address
from ibackup.jobs.nights.night_context import NightContext, PhoneOutcome
from ibackup.jobs.nights.plug_watch import watch
from ibackup.jobs.nights.plugs import Plugs, charge_only
from ibackup.jobs.nights.telling import message_texts
from ibackup.simulator.server import serve
from ibackup.simulator.spec import Passcode
from ibackup.simulator.virtual_phone import VirtualPhone
from jobs.nights.conftest import ANN, BOB, House
from support.fuzzing import mux_message
from support.runs import blob, flip

HOUR = timedelta(hours=1)


class Enough(Exception):
    """The test has seen what it wanted."""


def watched(
    house: House,
    *,
    until: timedelta,
    plugs: Plugs | None = None,
    seeing: list[tuple[str, str]] | None = None,
    **how: object,
) -> None:
    """Watch until so long after the clock's beginning, and on until this is seen, however busy the machine is."""
    patience = time.monotonic() + 300

    def stop() -> None:
        if set(seeing or ()) <= set(seen(house)) or time.monotonic() > patience:
            raise Enough
        house.clock.plan(house.clock.now() - house.clock.started + HOUR / 4, stop)

    house.clock.plan(until, stop)
    plugs = plugs or Plugs(house.clock)
    try:
        watch(house.job(program="watch", **how), plugs)
    except Enough:
        pass
    finally:
        plugs.close()


def seen(house: House) -> list[tuple[str, str]]:
    idle = ("not_due", "absent")
    return [
        (each.phone.name, each.attempt.state) for each in house.outcomes if each.attempt.state not in idle
    ]


def test_a_phone_is_backed_up_when_it_is_plugged_in_and_when_it_is_due(house: House) -> None:
    house.nightly(window=None)
    phone = house.ann()
    phone.passcode = Passcode(kind="answered", delay_s=0.4)
    house.clock.plan(HOUR, lambda: house.server.attach(phone))
    house.clock.plan(2 * HOUR, lambda: house.server.detach(phone))
    began: list[timedelta] = []

    def report(outcome: PhoneOutcome) -> None:
        house.outcomes.append(outcome)
        began.append(house.clock.now() - house.clock.started)

    watched(house, until=3 * HOUR, report=report)
    done = [each.attempt.state for each in house.outcomes].index("done")
    assert seen(house) == [("Ann", "done")]
    assert timedelta(0) <= began[done] - HOUR < timedelta(minutes=1)
    assert house.ears.alarms == ["needs_passcode", "done"]
    assert house.ears.beats == ["start", "success"]
    run = house.journal.read().last_run
    assert run is not None
    assert (run.program, run.code) == ("watch", ExitCode.OK)


def test_second_copies_are_run_while_no_phone_needs_the_watch(house: House) -> None:
    house.nightly(window=None)
    phone = house.ann()
    began: list[timedelta] = []

    def copies(job: NightContext) -> None:
        began.append(house.clock.now() - house.clock.started)
        if len(began) == 1:
            house.server.attach(phone)
            while True:  # until the phone comes first
                job.observe(Note("Copying."))
                time.sleep(0.01)

    watched(house, until=3 * HOUR, copies=copies)
    assert seen(house) == [("Ann", "done")]
    assert began[1] < HOUR  # it continues after the backup, and is looked at every hour
    assert [round(each / HOUR) for each in began[2:]] == [1, 2]


def test_several_phones_one_after_the_other_and_usbmuxd_restarts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first usbmuxd ends; a second one at the same place has another phone."""
    house.nightly(window=None)
    house.ann()
    with serve(VirtualPhone(ANN)) as first:
        assert first.port is not None
        port = first.port
        mux = Usbmux(parse_address(f"127.0.0.1:{port}"))
        monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", f"127.0.0.1:{port}")
        restarted = []

        def restart() -> None:
            first.close()
            restarted.append(serve(VirtualPhone(BOB), VirtualPhone(ANN), port=port))

        house.config = replace(house.config, phones=_named(ANN.udid, BOB.udid))
        house.clock.plan(HOUR, restart)
        watched(
            house,
            until=5 * HOUR,
            plugs=Plugs(house.clock, mux),
            seeing=[("ann", "done"), ("bob", "done")],
        )
        restarted[0].close()
    assert seen(house) == [("ann", "done"), ("bob", "done")]


def _named(*udids: str) -> tuple[PhoneConfig, ...]:
    return tuple(PhoneConfig(name, udid) for name, udid in zip(("ann", "bob"), udids, strict=True))


def test_no_usbmuxd_at_all_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.nightly(window=None)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    monkeypatch.setenv("USBMUXD_SOCKET_ADDRESS", f"127.0.0.1:{port}")
    servers = []
    house.clock.plan(HOUR, lambda: servers.append(serve(VirtualPhone(ANN), port=port)))
    watched(house, until=2 * HOUR, seeing=[("Ann", "done")])
    servers[0].close()
    assert ("Ann", "done") in seen(house)


def test_a_usbmuxd_that_does_not_report_who_comes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that refuses Listen, as one does that only lists and connects."""
    house.nightly(window=None)
    send = usbmux._send

    def changed(sock: socket.socket, request: dict[str, object]) -> None:
        send(sock, {**request, "MessageType": "?"} if request["MessageType"] == "Listen" else request)

    monkeypatch.setattr(usbmux, "_send", changed)
    phone = house.ann()
    house.clock.plan(HOUR, lambda: house.server.attach(phone))
    watched(house, until=2 * HOUR)
    assert ("Ann", "done") in seen(house)


def test_a_watch_that_finds_its_store_away(house: House, tmp_path: Path) -> None:
    house.nightly(window=None)
    phone = house.ann()
    assert house.store.id
    house.server.attach(phone)
    house.config = replace(house.config, phones=_named(ANN.udid, BOB.udid))
    house.path.rename(tmp_path / "away")
    house.clock.plan(HOUR, lambda: (tmp_path / "away").rename(house.path))
    watched(house, until=3 * HOUR, seeing=[("ann", "done")])
    states = seen(house)
    assert states[0] == ("ann", "failed")
    assert ("ann", "done") in states
    assert house.outcomes[0].attempt.code == ExitCode.STORE_MISSING
    titles = [message.title for message in house.ears.messages]
    assert titles[0] == "The store is missing"
    assert sorted(titles[1:]) == ["ann is backed up", "bob has no fresh backup"]


def test_stale_phones_and_damage_are_told_by_a_watch_too(house: House) -> None:
    phone = house.ann()
    snapshot = house.of(phone).snapshots()[0]
    flip(blob(snapshot.path, phone, "HomeDomain")[0], later=False)
    house.age(timedelta(days=8))
    watched(house, until=49 * HOUR)
    assert house.ears.alarms.count("stale") == 3  # tonight, tomorrow, and the day after
    assert house.ears.alarms.count("damage") == 1
    assert house.ears.beats == ["fail"]


def test_a_phone_that_is_plugged_in_interrupts_a_proof(house: House) -> None:
    """A person at the phone does not wait for a disk to be read."""
    house.nightly(window=None)
    phone = house.ann()
    plugs = Plugs(house.clock)
    came: list[object] = []
    assert not plugs.stirs()  # it listens from now on

    def observe(event: object) -> None:
        if type(event).__name__ == "PhaseStarted" and getattr(event, "phase", "") == "verify" and not came:
            came.append(event)
            house.server.attach(phone)
            while not plugs.stirs():
                time.sleep(0.01)

    watched(house, until=HOUR, plugs=plugs, observe=observe)
    assert house.outcomes[0].attempt.state == "done"


def test_phones_that_only_charge(tmp_path: Path) -> None:
    def device(name: str, vendor: str, serial: str) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "idVendor").write_text(f"{vendor}\n")
        (tmp_path / name / "serial").write_text(f"{serial}\n")

    plain = ANN.udid.replace("-", "")
    device("1-1", "05ac", plain)
    device("1-2", "05ac", "a" * 40)
    device("1-3", "1d6b", "0000:00:14.0")
    device("2-1", "05ac", BOB.udid.replace("-", "").ljust(40, "0"))
    (tmp_path / "2-1:1.0").mkdir()  # an interface has no serial
    assert list(charge_only((), str(tmp_path))) == [ANN.udid, "a" * 40, BOB.udid]
    assert list(charge_only((ANN.udid, BOB.udid), str(tmp_path))) == ["a" * 40]


def test_a_phone_that_only_charges_is_explained_once_a_night(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.ann()
    monkeypatch.setattr("ibackup.jobs.nights.idle.charge_only", lambda _connected: iter([ANN.udid]))
    assert house.night().code == 0
    assert [message.text for message in house.ears.messages] == [message_texts.charges_only("Ann").text]


class Restless(Usbmux):
    """A usbmuxd that says of ever more phones that they came, and ends; each new one does the same."""

    def __init__(self) -> None:
        super().__init__(usbmux.Address(path="/nowhere"))
        self.listened = 0
        self.said: list[socket.socket] = []

    def listen(self) -> usbmux.Listener:
        self.listened += 1
        ours, theirs = socket.socketpair()
        self.said.append(theirs)
        attached = {"MessageType": "Attached", "DeviceID": 1}
        for number in range(20):
            serial = f"{self.listened:020}{number:020}"
            theirs.send(mux_message(attached | {"Properties": {"SerialNumber": serial}}))
        theirs.send(b"no message at all")
        return usbmux.Listener(ours)


def test_phones_that_come_without_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibackup.jobs.nights.plugs._MOST_CAME", 50)
    mux = Restless()
    plugs = Plugs(house.clock, mux)
    try:
        assert all(plugs.stirs() for _ in range(10))
        assert len(plugs.wait(house.clock.now() + HOUR)) == 50
        assert len(plugs.wait(house.clock.now() + HOUR)) == 20
    finally:
        plugs.close()
        for sock in mux.said:
            sock.close()


def test_nothing_is_left_behind(house: House) -> None:
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("ibackup")]
