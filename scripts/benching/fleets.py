"""The figures of a fleet: 1,000 phones' reports and 50 repositories on a real S3 server, and what grows with them."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from benching.measure import MIB, Cost, run
from benching.racing import IBACKUP, Scale

from ibackup.copies.fleet.host_records import HostRecord
from ibackup.copies.fleet.host_statuses import HostStatus, ReportedBackup, ReportedCopy
from ibackup.copies.fleet.keeper_secret import KeeperSecret
from ibackup.copies.rights.http_asking import ask
from ibackup.copies.rights.s3_signing import S3Keys, signed

_PHONES = (125, 250, 500, 1000)
_PHONES_A_HOST = 20
_REPORTS = 3  # of each, as the keeper leaves them
_REPOSITORIES = 50
_KEYS = S3Keys("any", "any")


def report(folder: str, scale: Scale) -> Iterator[str]:
    """A fleet of 1,000 phones: its status at four sizes, and a keeper's night over 50 repositories."""
    server = shutil.which("moto_server")
    if server is None or shutil.which("rclone") is None or shutil.which("restic") is None:
        yield "This needs restic, rclone and moto_server (scripts/lib/s3-server brings it)."
        return
    with _serving(server) as url:
        yield "| what | wall s | CPU s | MiB |"
        yield "|---|--:|--:|--:|"
        for number, phones in enumerate(scale.of(each) for each in _PHONES):
            fleet = _Fleet(url, f"fleet-{number}", os.path.join(folder, str(number)))
            fleet.fill(phones)
            yield _row(f"status of {phones} phones of {fleet.hosts} computers", fleet.run("status", code=4))
        fleet = _Fleet(url, "kept", os.path.join(folder, "kept"))
        for host in range(0, scale.of(_REPOSITORIES), _PHONES_A_HOST):
            udids = [
                _udid(host + each) for each in range(min(_PHONES_A_HOST, scale.of(_REPOSITORIES) - host))
            ]
            fleet.run("enrol", f"host{host}", *udids, "--to", os.path.join(fleet.folder, f"{host}.enrolment"))
        yield _row(f"a keeper's night, {scale.of(_REPOSITORIES)} repositories", fleet.run("keeper"))


def _row(what: str, cost: Cost) -> str:
    return f"| {what} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.memory / MIB:.0f} |"


def _udid(number: int) -> str:
    return f"00008101-{number:016X}"


@contextmanager
def _serving(program: str) -> Iterator[str]:
    server = subprocess.Popen(
        [program, "-H", "127.0.0.1", "-p", "0"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert server.stderr
        for line in server.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                # Or it stops when the pipe is full.
                subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)
                yield found[0]
                break
    finally:
        server.kill()
        server.wait()


class _Fleet:
    """One fleet in a bucket of its own."""

    def __init__(self, url: str, bucket: str, folder: str) -> None:
        os.makedirs(folder)
        self.folder = folder
        self.hosts = 0
        self._url = f"{url}/{bucket}"
        self._send("")
        keys = os.path.join(folder, "keys.env")
        with open(keys, "w", encoding="utf-8") as file:
            file.write(f"AWS_ACCESS_KEY_ID={_KEYS.ident}\nAWS_SECRET_ACCESS_KEY={_KEYS.secret}\n")
        with open(os.path.join(folder, "config.toml"), "w", encoding="utf-8"):
            pass
        self._secret = os.path.join(folder, "keeper.secret")
        self.run("init", f"s3:{self._url}/fleet", "--keeper-file", self._secret, "--key-file", keys)

    def run(self, *words: str, code: int = 0) -> Cost:
        """Run a command of ibackup's."""
        config = os.path.join(self.folder, "config.toml")
        return run(
            [*IBACKUP, "fleet", *words, "--config", config, "--json"],
            {"IBACKUP_STATE_DIR": os.path.join(self.folder, "state")},
            log=os.path.join(self.folder, "log"),
            codes=(code,),
        )

    def fill(self, phones: int) -> None:
        """Computers and their reports: some damaged, some from a wrong clock, some that another computer signed."""
        secret = KeeperSecret.read(self._secret)
        now = datetime.now(UTC).replace(microsecond=0)
        for first in range(0, phones, _PHONES_A_HOST):
            name = f"host{self.hosts}"
            self.hosts += 1
            udids = [_udid(each) for each in range(first, min(first + _PHONES_A_HOST, phones))]
            key = secret.key_of(name, 1)
            record = HostRecord(name, key.public, dict.fromkeys(udids, "0" * 64), 1, now - timedelta(days=99))
            self._send(f"/fleet/{record.path}", record.signed(secret.key))
            for number, udid in enumerate(udids, first):
                for age in range(_REPORTS):
                    status = _status(
                        name, udid, _REPORTS - age, now - timedelta(days=age, minutes=number % 600)
                    )
                    if number % 100 == 7:
                        status = replace(status, written=now + timedelta(days=30 - age))
                    if number % 100 == 8:
                        status = replace(status, damage=("Snapshot 20261130T020004Z is damaged.",))
                    signer = secret.key_of("another", 1) if number % 100 == 9 and not age else key
                    self._send(f"/fleet/{status.name.path}", status.signed(signer))

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
