"""Servers can be verified where Python was given no certificates, and only there others are taken."""

import os
import subprocess
import sys
from pathlib import Path

import certifi
import pytest

PROGRAM = """
from ibackup.base.certificates import web_context
print(web_context().cert_store_stats()["x509_ca"])
print(web_context(open({one!r}).read()).cert_store_stats()["x509_ca"])
"""


def trusted(one: Path, **environment: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(one=str(one))],
        env={**os.environ, **environment},
        capture_output=True,
        check=True,
        text=True,
    )
    return [int(line) for line in done.stdout.split()]


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A single certificate."""
    end = "-----END CERTIFICATE-----\n"
    first = Path(certifi.where()).read_text("ascii").partition(end)[0]
    path = tmp_path / "one.pem"
    path.write_text(first[first.index("-----BEGIN") :] + end, "ascii")
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has its own store")
def test_those_of_mozilla_where_there_are_none(one: Path) -> None:
    many, chosen = trusted(one, SSL_CERT_FILE="/nowhere/cert.pem", SSL_CERT_DIR="/nowhere/certs")
    assert many > 50
    assert chosen == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has its own store")
def test_those_of_the_system_alone_where_it_has_some(one: Path) -> None:
    assert trusted(one, SSL_CERT_FILE=str(one), SSL_CERT_DIR="/nowhere/certs") == [1, 1]
