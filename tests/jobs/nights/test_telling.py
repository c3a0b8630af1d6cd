"""Notifications and heartbeats, sent to a real HTTP server on loopback, and to some that are not well."""

import email
import email.policy
import json
import logging
import socket
import socketserver
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

import pytest

from ibackup.base.errors import ConnectionLost
from ibackup.config.config_schema import NotifyConfig
from ibackup.copies.whole_elsewhere import healing_hint
from ibackup.jobs.nights.telling import (
    desktop,
    desktop_linux,
    desktop_macos,
    desktop_windows,
    heartbeat,
    message_texts,
    push,
)
from ibackup.jobs.nights.telling.teller import Teller
from ibackup.simulator.spec import Passcode
from ibackup.simulator.virtual_phone import VirtualPhone
from jobs.nights.conftest import ANN, Heard, House, states
from support.hostile_names import NAMES

DONE = message_texts.done("Ann", 1234, "61.2 GB")
SECRET = "s3cr3t-topic"


def config(**how: object) -> NotifyConfig:
    return NotifyConfig(desktop=False, **how)  # type: ignore[arg-type]


def test_messages_go_where_the_config_says(listener: Heard) -> None:
    here = f"json://127.0.0.1:{listener.port}"
    problems: list[str] = []
    with Teller(
        config(urls=(f"{here}/all",), failed=(f"{here}/bad", f"{here}/mail"), done=()), problems.append
    ) as teller:
        teller.tell(DONE)
        teller.tell(message_texts.needs_person("passcode", "iPhone", "Ann"))
        teller.tell(
            message_texts.failed("Ann", ConnectionLost("The cable came loose.", hint="Plug it in again."))
        )
    assert problems == []
    assert listener.paths == ["/all", "/bad", "/mail"]
    [asked] = listener.bodies("/all")
    assert asked["title"] == "Backup of Ann"
    assert asked["message"] == "Enter the passcode on the iPhone Ann to start tonight's backup (60 s)."
    [failed] = listener.bodies("/mail")
    assert failed["message"] == "The cable came loose. Plug it in again."
    assert failed["type"] == "warning"


def test_heartbeats(listener: Heard) -> None:
    problems: list[str] = []
    with Teller(
        config(heartbeat_url=f"http://127.0.0.1:{listener.port}/ping/{SECRET}?rid=7"), problems.append
    ) as teller:
        teller.beat("start")
        teller.beat("success", "Ann: done")
        teller.beat("fail", "Ann: failed")
    base = f"/ping/{SECRET}"
    assert listener.posts == [
        (f"{base}/start?rid=7", ""),
        (f"{base}?rid=7", "Ann: done"),
        (f"{base}/fail?rid=7", "Ann: failed"),
    ]
    assert problems == []


def test_a_heartbeat_follows_nobody_elsewhere(listener: Heard) -> None:
    told = heartbeat.ping(f"http://127.0.0.1:{listener.port}/moved/{SECRET}", "success", "Ann: done")
    assert told == "The heartbeat (success) could not be sent to 127.0.0.1: it answered 302."
    assert set(listener.paths) == {f"/moved/{SECRET}"}


class Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP as a client needs to hand in one mail."""

    mails: ClassVar[list[bytes]] = []

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                self.mails.append(b"".join(iter(self.rfile.readline, b".\r\n")))
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n")


def test_a_phones_name_is_no_markup_in_a_mail() -> None:
    name = '<img src="http://tracker.example/x">'
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            here = f"127.0.0.1:{server.server_address[1]}"
            url = f"mailto://{here}?mode=insecure&from=a@b.example&to=c@d.example"
            urls = (url, f"{url}&format=html")
            assert push.send(message_texts.stale(name, None, datetime.now(UTC)), urls) == ""
        finally:
            server.shutdown()
    plain, markup = (email.message_from_bytes(each, policy=email.policy.default) for each in Mailbox.mails)
    assert [part.get_content_type() for part in plain.walk()] == ["text/plain"]
    [text] = [part.get_content() for part in markup.walk() if part.get_content_type() == "text/html"]
    assert "<img" not in text
    assert "&lt;img" in text


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def test_an_outage_is_a_sentence_without_any_address(
    listener: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    nobody, broken = free_port(), f"127.0.0.1:{listener.port}/broken/{SECRET}"
    problems: list[str] = []
    notify = config(
        urls=(f"json://user:{SECRET}@127.0.0.1:{nobody}/{SECRET}", f"json://{broken}", f"nosuch://{SECRET}"),
        heartbeat_url=f"http://127.0.0.1:{nobody}/{SECRET}",
    )
    caplog.set_level(logging.DEBUG)
    with Teller(notify, problems.append) as teller:
        teller.tell(DONE)
        teller.beat("start")
        teller.beat("success")
    assert problems == [
        "The message 'Ann is backed up' could not be delivered through json, json, nosuch.",
        "The heartbeat (start) could not be sent to 127.0.0.1: Connection refused.",
        "The heartbeat (success) could not be sent to 127.0.0.1: Connection refused.",
    ]
    assert heartbeat.ping(f"http://{broken}", "start").endswith("127.0.0.1: it answered 503.")
    # What apprise itself logs goes nowhere; the next test shows that.
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("ibackup")]
    assert SECRET not in "".join([*problems, *ours])


def test_apprises_own_complaints_are_not_printed(listener: Heard) -> None:
    """They name addresses, and without a log of our own logging's last resort prints warnings on standard error."""
    program = (
        "from ibackup.jobs.nights.telling import message_texts, push\n"
        f"print(push.send(message_texts.done('Ann', 1, '1 kB'), ('json://127.0.0.1:{listener.port}/broken/{SECRET}',)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "The message 'Ann is backed up' could not be delivered through json.\n"
    assert done.stderr == ""


def test_a_server_that_never_answers_delays_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ibackup.jobs.nights.telling.teller._LAST_WORDS_S", 0.3)
    monkeypatch.setattr("ibackup.jobs.nights.telling.heartbeat._SECONDS", 600.0)
    problems: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}"
        with Teller(config(heartbeat_url=url), problems.append) as teller:
            teller.beat("start")
    assert problems == ["Not every message was delivered: the receiving service does not answer."]
    for thread in threading.enumerate():
        if thread.name == "ibackup telling":
            thread.join()


def test_without_apprise_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    assert 'install "apprise' in push.send(DONE, ("json://x",)).replace("inject ibackup", "install")


def test_a_night_is_told_to_a_real_server(house: House, listener: Heard) -> None:
    phone = VirtualPhone(replace(ANN, passcode=Passcode(kind="answered", delay_s=0.4)))
    house.server.attach(phone)
    notify = config(
        urls=(f"json://127.0.0.1:{listener.port}/push",),
        heartbeat_url=f"http://127.0.0.1:{listener.port}/ping",
    )
    with Teller(notify, pytest.fail) as teller:
        assert states(house.night(once=True, teller=teller)) == {"Ann": "done"}
    assert listener.paths == ["/ping/start", "/push", "/push", "/ping"]
    asked, done = listener.bodies("/push")
    assert "Enter the passcode on the iPhone Ann" in str(asked["message"])
    assert done["title"] == "Ann is backed up"


def test_a_night_does_not_fail_with_its_monitoring(house: House) -> None:
    house.server.attach(VirtualPhone(ANN))
    port = free_port()
    notify = config(urls=(f"json://127.0.0.1:{port}",), heartbeat_url=f"http://127.0.0.1:{port}/")
    problems: list[str] = []
    with Teller(notify, problems.append) as teller:
        report = house.night(once=True, teller=teller)
    assert (report.code, states(report)) == (0, {"Ann": "done"})
    assert len(problems) == 3


def test_texts_say_which_phone_what_happened_and_what_to_do() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    assert (
        "Ann for 9 days. Connect it" in message_texts.stale("Ann", now - timedelta(days=9, hours=3), now).text
    )
    assert "Ann for 30 hours." in message_texts.stale("Ann", now - timedelta(hours=30), now).text
    assert "Ann at all so far." in message_texts.stale("Ann", None, now).text
    assert "`ibackup verify X`" in message_texts.damage("Ann", "X").text
    assert message_texts.damage("Ann", "X", healing_hint("X", ("usb",))).text.endswith(
        "The copy usb has this snapshot: `ibackup heal X` repairs it from there."
    )
    assert "Unlock it with its passcode once" in message_texts.charges_only("Ann").text
    assert "4 GB is free on the disk of /mnt. `ibackup prune" in message_texts.room_low("/mnt", "4 GB").text


# -- the desktop ------------------------------------------------------------------------------------------------


def test_notify_send_is_called_with_the_sessions_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "notify-send"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$DBUS_SESSION_BUS_ADDRESS" "$@" >{tmp_path}/said\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/bus")
    desktop.show(replace(DONE, title="-t <b>", text="Ann & <Bob>"))
    said = (tmp_path / "said").read_text().splitlines()
    assert said == [
        "unix:path=/bus",
        "--app-name=ibackup",
        "--urgency=normal",
        "--icon=phone",
        "--",
        "-t <b>",
        "Ann &amp; &lt;Bob&gt;",
    ]
    monkeypatch.setenv("PATH", "/nowhere")
    assert desktop_linux.program("a", "b", urgent=True) is None
    desktop.show(DONE)  # nothing happens


def test_on_a_mac_texts_are_arguments_and_no_script() -> None:
    command, _ = desktop_macos.program('a" & beep', "b", urgent=False)
    assert command[0] == "/usr/bin/osascript"
    assert command[-2:] == ['a" & beep', "b"]
    assert "beep" not in "".join(command[:-2])


def test_on_windows_texts_go_through_the_environment() -> None:
    command, environment = desktop_windows.program("$(calc)", "b", urgent=False)
    assert "calc" not in "".join(command)
    assert environment == {"IBACKUP_TOAST_TITLE": "$(calc)", "IBACKUP_TOAST_TEXT": "b"}
    assert json.dumps(command).count("IBACKUP_TOAST_T") == 2


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_only_a_name(name: str) -> None:
    """Whatever a phone is called, or a folder says that it is called."""
    error = ConnectionLost(f"{name} was lost.", hint=f"Plug {name} in.")
    told = [
        message_texts.needs_person("passcode", "iPhone", name),
        message_texts.charges_only(name),
        message_texts.done(name, 3, "1 GB", name),
        message_texts.failed(name, error),
        message_texts.store_gone(error),
        message_texts.stale(name, None, datetime.now(UTC)),
        message_texts.damage(name, name),
        message_texts.room_low(name, "1 GB"),
    ]
    for message in told:
        for text in (message.title, message.text):
            assert text.isprintable()
            assert len(text) <= 2000
        for system in (desktop_macos, desktop_windows):
            command, environment = system.program(message.title, message.text, urgent=False)
            script = [
                each
                for each in (*command, *environment.values())
                if each not in (message.title, message.text)
            ]
            assert not any(name in each for each in script)
        command, _ = desktop_macos.program(message.title, message.text, urgent=False)
        # getopt stops at the first word that is no option
        assert command[-3:] == ["ibackup", message.title, message.text]
        assert subprocess.run([sys.executable, "-c", "", *command], check=False).returncode == 0
