"""The figures of a fleet: 1,000 phones' reports and 50 repositories on a real S3 server, and what grows with them."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from benching.measure import MIB, ContenderFailed, Cost, cpu_seconds, run
from benching.racing import IBACKUP, Scale

from ibackup.copies.fleet import keeper_findings
from ibackup.copies.fleet.host_records import HostRecord
from ibackup.copies.fleet.host_statuses import HostStatus, ReportedBackup, ReportedCopy
from ibackup.copies.fleet.keeper_findings import KeeperFinding, KeeperFindings
from ibackup.copies.fleet.keeper_secret import KeeperSecret
from ibackup.copies.rights.http_asking import ask
from ibackup.copies.rights.s3_signing import S3Keys, signed
from ibackup.simulator import VirtualPhone, demo_spec, serve
from ibackup.store.disk import record_times

_PHONES = (125, 250, 500, 1000)
_PHONES_A_HOST = 20
_REPORTS = 3  # of each, as the keeper leaves them
_DELAYS_S = (0.05, 0.1)
_REPOSITORIES = (6, 12, 25, 50)
_KEYS = S3Keys("any", "any")

Trouble = Literal["forged", "future", "stale", "damaged", "replayed"]
_TROUBLES: tuple[Trouble, ...] = ("forged", "future", "stale", "damaged", "replayed")
_TROUBLED = 100  # of so many phones, one has each


def report(folder: str, scale: Scale) -> Iterator[str]:
    """The status of a fleet of 1,000 phones, at four sizes and through a slow network."""
    with _serving() as server:
        if server is None:
            yield _NEEDED
            return
        yield from _HEAD
        fleet = _Fleet(server, folder)
        count = 0
        for count in map(scale.of, _PHONES):
            fleet.fill(count)
            yield _row(f"status of {count} phones of {fleet.hosts} computers", *fleet.status(server))
        for delay in _DELAYS_S:
            with _slow(server, delay) as far:
                cost = fleet.status(far)
                yield _row(f"{count} phones, each answer {1000 * delay:.0f} ms later", *cost)


def report_nights(folder: str, scale: Scale) -> Iterator[str]:
    """A keeper's nights in a fleet of up to 50 repositories."""
    with _serving() as server:
        if server is None:
            yield _NEEDED
            return
        yield from _HEAD
        fleet = _Fleet(server, folder)
        for count in map(scale.of, _REPOSITORIES):
            fleet.copy_phones(count)
            fleet.night(server)  # the first one of a phone reads all of it, and one restore a month is tested
            yield _row(f"a keeper's night, {count} repositories", *fleet.night(server))


_NEEDED = "This needs restic, rclone and moto_server (scripts/lib/s3-server brings it)."
_HEAD = ("| what | wall s | CPU s | MiB | the server's CPU s |", "|---|--:|--:|--:|--:|")


def _row(what: str, cost: Cost, server_cpu: float) -> str:
    return f"| {what} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.memory / MIB:.0f} | {server_cpu:.1f} |"


def _udid(number: int) -> str:
    return f"00008101-{number:016X}"


@dataclass(frozen=True, slots=True)
class _Server:
    """An S3 server."""

    pid: int
    port: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def _serving() -> Iterator[_Server | None]:
    """The server of moto; None if a program is missing."""
    program = shutil.which("moto_server")
    if program is None or shutil.which("rclone") is None or shutil.which("restic") is None:
        yield None
        return
    with _running([program, "-H", "127.0.0.1", "-p", "0"], r"http://127\.0\.0\.1:(\d+)") as server:
        yield server


@contextmanager
def _slow(server: _Server, delay_s: float) -> Iterator[_Server]:
    """The same server, farther away."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow_relay.py")
    with _running([sys.executable, program, server.port, str(delay_s)], r"(\d+)") as relay:
        yield replace(server, port=relay.port)


@contextmanager
def _running(command: list[str], port: str) -> Iterator[_Server]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as server:
        try:
            assert server.stdout
            found = next(filter(None, (re.search(port, line) for line in server.stdout)))
            # Or it stops when the pipe is full.
            with subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL):
                try:
                    yield _Server(server.pid, found[1])
                finally:
                    server.kill()
        finally:
            server.kill()


class _Fleet:
    """One fleet in a bucket of its own, which grows."""

    def __init__(self, server: _Server, folder: str) -> None:
        self.hosts = 0
        self._folder = folder
        self._url = f"{server.url}/fleet"
        self._send("")
        self._keys = self._path("keys.env")
        with open(self._keys, "w", encoding="utf-8") as file:
            file.write(f"AWS_ACCESS_KEY_ID={_KEYS.ident}\nAWS_SECRET_ACCESS_KEY={_KEYS.secret}\n")
        self._secret_file = self._path("keeper.secret")
        words = ("--keeper-file", self._secret_file, "--key-file", self._keys)
        self._run("keeper", "fleet", "init", f"s3:{self._url}/fleet", *words)
        self._secret = KeeperSecret.read(self._secret_file)
        self._phones = 0
        self._troubles: Counter[str] = Counter()
        self._findings: dict[str, KeeperFinding] = {}

    # --- reports alone

    def status(self, server: _Server) -> tuple[Cost, float]:
        """`ibackup fleet status`, what it costs here and there. Raises ContenderFailed if it names another trouble."""
        before = cpu_seconds(server.pid)
        cost = self._run("keeper", "fleet", "status", server=server, code=4 if self._troubles else 0)
        used = cpu_seconds(server.pid) - before
        with open(self._path("log"), encoding="utf-8") as file:
            answer = json.loads(list(file)[-1])
        problems = (each["kind"] for phone in answer["phones"] for each in phone["problems"])
        if (found := Counter(problems)) != self._troubles:
            raise ContenderFailed(f"The status has {dict(found)}, not {dict(self._troubles)}.")
        return cost, used

    def fill(self, phones: int) -> None:
        """Add computers and their reports until there are so many phones; a few of them are not in order.

        A report that another computer signed, one from a clock that is wrong, a computer whose reports are good
        although the keeper finds no new snapshot, damage, and a report that is there again under a newer name.
        """
        now = record_times.now()
        while self._phones < phones:
            name, key = f"host{self.hosts}", self._secret.key_of(f"host{self.hosts}", 1)
            self.hosts += 1
            udids = [_udid(each) for each in range(self._phones, min(self._phones + _PHONES_A_HOST, phones))]
            record = HostRecord(name, key.public, dict.fromkeys(udids, "0" * 64), 1, now - timedelta(days=99))
            self._send(f"/fleet/{record.path}", record.signed(self._secret.key))
            for udid in udids:
                self._report(name, udid, self._phones, now)
                self._phones += 1
        findings = KeeperFindings(record_times.now(), self._findings)
        self._send(f"/fleet/{keeper_findings.PATH}", findings.signed(self._secret.key))

    def _report(self, host: str, udid: str, number: int, now: datetime) -> None:
        """A phone's reports, and what the keeper found of it."""
        place = number % _TROUBLED
        trouble = _TROUBLES[place] if place < len(_TROUBLES) else None
        if trouble is not None:
            self._troubles[trouble] += 1
        key, wrong = self._secret.key_of(host, 1), self._secret.key_of("another", 1)
        found = now - timedelta(days=30 if trouble == "stale" else 1)
        self._findings[udid] = KeeperFinding(9, record_times.as_id(found), now, now)
        for age in range(_REPORTS):
            when = now - timedelta(days=age, minutes=number % 600)
            status = _status(host, udid, _REPORTS - age, when)
            newest = age == 0
            if trouble == "future" and newest:
                status = replace(status, written=now + timedelta(days=30))
            if trouble == "damaged":
                status = replace(status, damage=("Snapshot 20261130T020004Z is damaged.",))
            name, signer = status.name, wrong if trouble == "forged" and newest else key
            if trouble == "replayed" and newest:
                status = _status(host, udid, 1, when - timedelta(days=2))
            self._send(f"/fleet/{name.path}", status.signed(signer))

    # --- whole repositories

    def copy_phones(self, count: int) -> None:
        """Add a computer with new phones until there are so many, back each up and copy it."""
        if self._phones >= count:
            return
        name = f"host{self.hosts}"
        self.hosts += 1
        udids = [_udid(each) for each in range(self._phones, count)]
        store = self._path(f"{name}.store")
        for udid in udids:
            with serve(VirtualPhone(replace(demo_spec(), udid=udid, backup_password=None))) as usb:
                self._run(name, "now", "--patience", "0", store=store, usb=usb.address)
        self._phones = count
        file = self._path(f"{name}.enrolment")
        self._run("keeper", "fleet", "enrol", name, *udids, "--to", file)
        self._run(name, "fleet", "join", file, "--key-file", self._keys)
        self._run(name, "copy", "run", store=store)

    def night(self, server: _Server) -> tuple[Cost, float]:
        """`ibackup fleet keeper`, what it costs here and there."""
        before = cpu_seconds(server.pid)
        cost = self._run("keeper", "fleet", "keeper")
        return cost, cpu_seconds(server.pid) - before

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    def _run(
        self,
        who: str,
        *words: str,
        server: _Server | None = None,
        code: int = 0,
        store: str = "",
        usb: str = "",
    ) -> Cost:
        """Run ibackup on one of the computers, which may see the S3 server elsewhere."""
        home = self._path(who)
        config = os.path.join(home, "config.toml")
        if not os.path.isdir(home):
            os.mkdir(home)
            with open(config, "w", encoding="utf-8"):
                pass
        if server is not None:
            with open(config, encoding="utf-8") as file:
                text = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{server.port}", file.read())
            with open(config, "w", encoding="utf-8") as file:
                file.write(text)
        where = {"HOME": home, "IBACKUP_STATE_DIR": os.path.join(home, "state")}
        where |= {"IBACKUP_STORE": store, "USBMUXD_SOCKET_ADDRESS": usb} if store else {}
        return run(
            [*IBACKUP, *words, "--config", config, "--json"], where, log=self._path("log"), codes=(code,)
        )

    def _send(self, path: str, data: bytes = b"") -> None:
        url, headers = signed("PUT", self._url + path, {}, data, _KEYS, "us-east-1", datetime.now(UTC))
        headers["Content-Type"] = "application/json"
        assert ask("PUT", url, data=data or None, headers=headers).is_done


def _status(host: str, udid: str, sequence: int, when: datetime) -> HostStatus:
    backup = ReportedBackup(
        "20261130T020004Z", when - timedelta(hours=1), 300_000, 64 * 10**9, True, "e" * 64
    )
    copy = ReportedCopy("c" * 64, backup.snapshot, when, when, when)
    return HostStatus(host, udid, f"Phone {udid[-4:]}", sequence, when, 0, backup, copy)
