"""What the last nights did, what snapshots take, and whether messages arrive."""

import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.conftest import ANN, BOB, Cli, snapshots
from ibackup.base.exit_codes import ExitCode
from ibackup.config.config_file import default_path
from ibackup.jobs.nights.night_log import History
from ibackup.jobs.nights.telling import desktop_linux
from ibackup.simulator.virtual_phone import VirtualPhone

Plug = Callable[..., list[VirtualPhone]]


# -- log ----------------------------------------------------------------------------------------------------


def test_the_last_nights_in_words(ibackup: Cli, store: Path, plugged: Plug) -> None:
    assert "No night has run on this computer yet." in ibackup("log").flat
    plugged(ANN)
    ibackup("nightly", "--once", "--every", "0")
    ibackup("nightly", "--once")
    done = ibackup("log")
    assert done.code == 0
    assert f"{ANN.name}: backed up. Snapshot {snapshots(store, ANN)[-1].name}." in done.flat
    assert f"{ANN.name}: not due." in done.flat  # by its name: it is this user's own file
    assert "Bob: not connected." in done.flat
    turns = ibackup("log", "--json").result["turns"]
    assert isinstance(turns, list)
    assert {turn["state"] for turn in turns} == {"done", "not_due", "absent"}
    assert [turn["program"] for turn in turns] == ["nightly"] * len(turns)
    for _ in range(3):
        ibackup("nightly", "--once")
    assert "(4 times)" in ibackup("log").flat
    turns = ibackup("log", "--json").result["turns"]
    assert isinstance(turns, list)
    assert {turn["times"] for turn in turns if turn["state"] == "not_due"} == {4}
    assert len(ibackup("log", "--lines", "1").out.splitlines()) <= 2
    assert ibackup("log", "--lines", "1", "--json").result["turns"] == turns[-1:]
    assert {turn["udid"] for turn in ibackup("log", "--phone", "bob", "--json").result["turns"]} == {BOB.udid}  # type: ignore[attr-defined]


def test_a_night_without_its_store_is_remembered(ibackup: Cli, anns: Path) -> None:
    assert ibackup("list").code == 0  # so that it is known
    (anns / "store.json").unlink()
    assert ibackup("nightly", "--once").code == ExitCode.STORE_MISSING
    assert "is not mounted" in ibackup("log").flat


def test_the_history_stays_small_and_survives_damage(tmp_path: Path) -> None:
    history = History(str(tmp_path / "state"))
    for number in range(60):
        history.add({"ended": "2026-11-22T02:00:04Z", "number": number, "text": "x" * 19_000 * 2})
    files = sorted(path.name for path in (tmp_path / "state").iterdir())
    assert files == ["history.jsonl", "history.jsonl.1"]
    assert sum(path.stat().st_size for path in (tmp_path / "state").iterdir()) < 3_000_000
    history.add({"ended": "2026-11-22T02:00:04Z", "text": "the last"})
    with (tmp_path / "state" / "history.jsonl").open("ab") as out:
        out.write(b'{"torn": \n\xff\xfe\n[1]\n')
    assert history.read()[-1]["text"] == "the last"


# -- du -----------------------------------------------------------------------------------------------------


def test_what_they_take_is_what_du_says(ibackup: Cli, store: Path) -> None:
    result = ibackup("du", "--json").result
    phones = result["phones"]
    assert isinstance(phones, list)
    assert [each["name"] for each in phones] == [ANN.name, "Bob"]
    for phone in phones:
        folder = store / phone["udid"] / "snapshots"
        took = phone["bytes"]
        one = [sum(each.stat().st_blocks * 512 for each in files(path)) for path in sorted(folder.iterdir())]
        assert [each["bytes"] for each in phone["snapshots"]] == one
        seen = {
            each.stat().st_ino: each.stat().st_blocks * 512
            for path in folder.iterdir()
            for each in files(path)
        }
        if result["exact"]:
            assert took == sum(seen.values())
        assert sum(each["own_bytes"] for each in phone["snapshots"]) <= took <= sum(one)
    assert result["bytes"] == sum(each["bytes"] for each in phones)
    said = ibackup("du").flat
    assert "All together:" in said
    assert f"{snapshots(store, ANN)[0].name}" in said


def files(folder: Path) -> list[Path]:
    return [each for each in folder.rglob("*") if each.is_file()]


@pytest.mark.skipif(os.name != "posix", reason="du is there on POSIX systems")
def test_shared_bytes_count_once(tmp_path: Path) -> None:
    from ibackup.jobs.keeping.room_given_back import taken

    one, two = tmp_path / "one" / "aa", tmp_path / "two" / "aa"
    for folder in (one, two):
        folder.mkdir(parents=True)
    (one / "shared").write_bytes(bytes(100_000))
    os.link(one / "shared", two / "shared")
    (one / "own").write_bytes(bytes(50_000))
    found = taken([str(one.parent), str(two.parent)])
    both = subprocess.run(
        ["du", "-sk", *map(str, (one, two)), "-c"], check=True, capture_output=True, text=True
    ).stdout.splitlines()[-1]
    folders = sum(os.lstat(each).st_blocks * 512 for each in (one, two))
    assert found.total == int(both.split()[0]) * 1024 - folders
    shared, own = (os.lstat(one / name).st_blocks * 512 for name in ("shared", "own"))
    assert (found.whole, found.own) == ((shared + own, shared), (own, 0))


# -- notify -------------------------------------------------------------------------------------------------


@pytest.fixture
def mailbox() -> Iterator[tuple[str, list[str]]]:
    """Takes what is posted to it; what comes to /no is refused."""
    came: list[str] = []

    class Box(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            came.append(self.path)
            self.send_response(500 if self.path.startswith("/no") else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Box)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}", came
    server.shutdown()
    thread.join()
    server.server_close()


def configure(text: str) -> None:
    path = default_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"[notify]\ndesktop = false\n{text}")
    path.chmod(0o600)


def test_each_address_is_tried_and_told_without_being_shown(
    ibackup: Cli, mailbox: tuple[str, list[str]]
) -> None:
    pytest.importorskip("apprise")
    where, came = mailbox
    urls = json.dumps([f"json://{where}/yes-secret", f"json://{where}/no-secret"])
    configure(
        f'urls = {urls}\nstale = ["json://{where}/stale-secret"]\nheartbeat_url = "http://{where}/beat-secret"\n'
    )
    done = ibackup("notify", "test", "--json")
    assert done.code == ExitCode.FAILED
    rows = done.result["addresses"]
    assert isinstance(rows, list)
    assert [(row["where"], row["taken"]) for row in rows] == [
        ("urls, no. 1", True),
        ("urls, no. 2", False),
        ("stale, no. 1", True),
        ("heartbeat_url", True),
    ]
    assert {path.strip("/") for path in came} == {
        "yes-secret",
        "no-secret",
        "stale-secret",
        "beat-secret/log",
    }
    said = ibackup("notify", "test")
    assert "urls, no. 1 (json): accepted" in said.flat
    assert "secret" not in said.out + said.err + done.out


def test_a_screen_that_is_not_there_is_no_success(ibackup: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop_linux, "program", lambda *_, **__: None)
    monkeypatch.setattr(sys, "platform", "linux")
    done = ibackup("notify", "test", "--json")
    assert (done.code, done.result["desktop"]) == (ExitCode.FAILED, False)
    said = ibackup("notify", "test").flat
    assert "Nothing can be shown on this computer's own screen" in said
    assert "Did it appear?" not in said
    assert "no message arrives anywhere" in said


def test_a_screen_that_takes_it(ibackup: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = 0
    monkeypatch.setattr(
        desktop_linux, "program", lambda *_, **__: ([sys.executable, "-c", f"raise SystemExit({ended})"], {})
    )
    monkeypatch.setattr(sys, "platform", "linux")
    done = ibackup("notify", "test")
    assert (done.code, "Did it appear?" in done.flat) == (0, True)
    ended = 3
    assert "ended with 3" in ibackup("notify", "test").flat


def test_no_address(ibackup: Cli) -> None:
    configure("")
    done = ibackup("notify", "test")
    assert done.code == 0
    assert "The config file has no address" in done.flat
