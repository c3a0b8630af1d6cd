"""``ibackup open --listen``: other computers come in with the web password, over TLS or through a proxy."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest

from support.made_certificate import make_certificate
from support.program import Program
from support.raw_web import WAIT, Answer, RawClient

pytestmark = pytest.mark.peer
PASSWORD = "four random words here"


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "web-password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o600)
    return str(path)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@contextmanager
def listening(program: Program, *arguments: str) -> Iterator[str]:
    """Run it for others until the block ends; gives the address that it tells."""
    process = program.start("open", "--json", "--no-browser", *arguments)
    assert process.stdout is not None
    first = json.loads(process.stdout.readline())
    assert first["event"] == "listening", first
    yield first["url"]
    process.send_signal(2)
    program.finish(process, 0)


def test_another_computer_logs_in_over_tls(lived_in: Program, password_file: str, tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    port = free_port()
    options = ["--listen", "127.0.0.1", "--port", str(port), "--host-name", "backup.example"]
    options += ["--web-password-file", password_file, "--tls-cert", certificate, "--tls-key", key]
    with listening(lived_in, *options) as url:
        assert url == f"https://backup.example:{port}/"
        trust = ssl.create_default_context(cafile=certificate)
        trust.check_hostname = False  # it is reached by its address here
        headers = {"Host": f"backup.example:{port}", "Sec-Fetch-Site": "same-origin"}

        def ask(method: str, path: str, form: dict[str, str], cookie: str = "") -> Answer:
            connection = http.client.HTTPSConnection("127.0.0.1", port, context=trust, timeout=WAIT)
            kind = "application/x-www-form-urlencoded"
            connection.request(
                method, path, urlencode(form) or None, headers | {"Cookie": cookie, "Content-Type": kind}
            )
            with closing(connection):
                response = connection.getresponse()
                return Answer(response.status, response.headers, response.read().decode())

        assert ask("GET", "/", {}).headers["Location"] == "/login"
        assert "Web password" in ask("GET", "/login", {}).body
        assert ask("POST", "/login", {"password": "wrong"}).status == 403
        entered = ask("POST", "/login", {"password": PASSWORD})
        assert entered.status == 303
        assert "Secure" in str(entered.headers["Set-Cookie"])
        home = ask("GET", "/", {}, entered.cookie).body
        assert "Ann\u2019s iPhone" in home
        assert 'action="/logout"' in home
        plain = RawClient(port).raw(b"GET / HTTP/1.1\r\nHost: backup.example\r\nConnection: close\r\n\r\n")
        assert b"Ann" not in plain


def test_behind_a_proxy(lived_in: Program, password_file: str) -> None:
    port = free_port()
    options = ["--listen", "127.0.0.1", "--port", str(port), "--host-name", "backup.example"]
    options += ["--web-password-file", password_file, "--behind-proxy", "127.0.0.1"]
    with listening(lived_in, *options) as url:
        assert url == "https://backup.example/"
        client = RawClient(port, {"Host": "backup.example", "X-Forwarded-Proto": "https"})
        assert client.get("/").headers["Location"] == "/login"
        assert client.post("/login", urlencode({"password": PASSWORD})).status == 303
        assert client.get("/login", X_Forwarded_Proto="http").status == 403
        assert client.get("/login", Host=f"127.0.0.1:{port}").status == 421


def test_without_encryption_it_does_not_start(lived_in: Program, password_file: str) -> None:
    options = ["--listen", "127.0.0.1", "--port", "8443", "--web-password-file", password_file]
    done = lived_in.run("open", "--json", "--no-browser", *options, code=2)
    assert "encryption" in str(done.result["message"])
    assert PASSWORD not in done.out + done.err
