"""Apple's side: samples in the recorded shapes, and a real HTTPS server on this computer."""

import contextlib
import datetime as dt
import hashlib
import http.server
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from ibackup.doctor.evidence.phone_evidence import NewestIos
from ibackup.doctor.evidence.sighting import Seen, Unseen
from ibackup.doctor.gather import apple_status, gathering, web_feeds
from ibackup.doctor.gather.apple_status import Feeds, parse_gdmf, parse_sofa, parse_status, version_key
from ibackup.doctor.gather.gathering import DoctorRequest, gather
from ibackup.doctor.gather.web_feeds import Feed
from ibackup.simulator.server import serve
from ibackup.simulator.spec import PhoneSpec
from ibackup.simulator.virtual_phone import VirtualPhone

STATUS = {
    "drMessage": None,
    "drpost": False,
    "services": [
        {
            "serviceName": "iCloud Backup",
            "redirectUrl": None,
            "events": [
                {
                    "usersAffected": "Some users are affected",
                    "epochStartDate": 1_790_000_000_000,
                    "epochEndDate": None,
                    "messageId": "1000123",
                    "statusType": "Outage",
                    "datePosted": "09/21/2026 16:13 PDT",
                    "startDate": "09/21/2026 16:00 PDT",
                    "endDate": None,
                    "affectedServices": None,
                    "eventStatus": "ongoing",
                    "message": "Users are unable to back up.",
                }
            ],
        },
        {"serviceName": "iCloud Account & Sign In", "redirectUrl": None, "events": []},
    ],
}
GDMF = {
    "PublicAssetSets": {
        "iOS": [
            {
                "ProductVersion": "26.6.1",
                "Build": "23G83",
                "PostingDate": "2026-08-05",
                "SupportedDevices": ["iPhone13,2", "iPad13,1"],
            },
            {
                "ProductVersion": "26.6.1",
                "Build": "23G6083",
                "PostingDate": "2026-08-05",
                "SupportedDevices": ["iPhone13,2"],
            },
            {
                "ProductVersion": "26.10",
                "Build": "23H1",
                "PostingDate": "2026-11-05",
                "SupportedDevices": ["iPhone13,2"],
            },
            {
                "ProductVersion": "18.7.10",
                "Build": "22H500",
                "PostingDate": "2026-08-05",
                "SupportedDevices": ["iPhone11,2"],
            },
            {
                "ProductVersion": "11.6",
                "Build": "20X",
                "PostingDate": "2026-08-05",
                "SupportedDevices": ["Watch6,1"],
            },
        ]
    },
    "AssetSets": {"iOS": []},
}
SOFA = {
    "UpdateHash": "x",
    "OSVersions": [
        {
            "OSVersion": "26",
            "Latest": {
                "ProductVersion": "26.6.1",
                "Build": "23G83",
                "ReleaseDate": "2026-08-05T00:00:00Z",
                "AllBuilds": ["23G83"],
                "SupportedDevices": ["iPhone13,2"],
            },
        },
        {
            "OSVersion": "18",
            "Latest": {
                "ProductVersion": "18.7.10",
                "Build": "22H500",
                "ReleaseDate": "2026-08-05T00:00:00Z",
                "SupportedDevices": ["iPhone13,2", "iPhone11,2"],
            },
        },
    ],
}


# -- shapes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "jsonCallback({});", "\ufeff{}\n"])
def test_system_status_in_either_wrapping(form: str) -> None:
    status = parse_status(form.replace("{}", json.dumps(STATUS)).encode())
    assert status.services == ("iCloud Backup", "iCloud Account & Sign In")
    (event,) = status.events
    assert (event.service, event.kind, event.status) == ("iCloud Backup", "Outage", "ongoing")
    assert event.started == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    assert event.ended is None


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>Sorry</html>",
        "{}",
        '{"services": []}',
        '{"services": {}}',
        '{"services": [{}]}',
        "[1]",
        "{" * 9000,
    ],
)
def test_system_status_in_another_form(body: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_status(body.encode())


def test_times_that_nobody_can_mean() -> None:
    """A year 1 could not be shown in another zone."""
    event = {"epochStartDate": 99_999_999_999_999, "epochEndDate": -1, "eventStatus": "?"}
    status = parse_status(json.dumps({"services": [{"serviceName": "x", "events": [event]}]}).encode())
    assert (status.events[0].started, status.events[0].ended, status.events[0].status) == (
        None,
        None,
        "other",
    )
    asset = {
        "ProductVersion": "26.1",
        "PostingDate": "0001-01-01T00:00:00+14:00",
        "SupportedDevices": ["iPhone1,1"],
    }
    newest = parse_gdmf(json.dumps({"AssetSets": {"iOS": [asset]}}).encode(), "iPhone1,1")
    assert newest == NewestIos("26.1", None)


def test_the_highest_version_of_the_exact_model() -> None:
    body = json.dumps(GDMF).encode()
    assert parse_gdmf(body, "iPhone13,2") == NewestIos("26.10", datetime(2026, 11, 5, tzinfo=UTC))
    assert parse_gdmf(body, "iPhone11,2") == NewestIos("18.7.10", datetime(2026, 8, 5, tzinfo=UTC))
    assert parse_gdmf(body, "iPhone1,1") is None
    body = json.dumps(SOFA).encode()
    assert parse_sofa(body, "iPhone13,2") == NewestIos("26.6.1", datetime(2026, 8, 5, tzinfo=UTC))
    assert parse_sofa(body, "iPhone99,1") is None


@pytest.mark.parametrize("parse", [parse_gdmf, parse_sofa])
@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"PublicAssetSets": {"iOS": {}}, "OSVersions": 1}', b"\xff\xfe"]
)
def test_versions_in_another_form(parse: apple_status.Parser, body: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse(body, "iPhone13,2")


AMPLE_S = 600.0  # more than any machine takes for what is answered
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "services",
                    "serviceName",
                    "events",
                    "epochStartDate",
                    "PublicAssetSets",
                    "iOS",
                    "OSVersions",
                    "Latest",
                    "ProductVersion",
                    "SupportedDevices",
                ]
            ),
            below,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_is_another_error(value: object) -> None:
    body = json.dumps(value).encode()
    for parse in (
        parse_status,
        lambda data: parse_gdmf(data, "iPhone13,2"),
        lambda data: parse_sofa(data, "iPhone13,2"),
    ):
        with contextlib.suppress(ValueError):
            parse(body)


def test_versions_compare_as_numbers() -> None:
    assert version_key("26.10") > version_key("26.9.1") > version_key("18.7.10")
    assert version_key("beta") == version_key("1.x") == version_key("") == ()


def test_the_pinned_root_is_apples() -> None:
    certificate = x509.load_pem_x509_certificate(apple_status.apple_root().encode())
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
    assert fingerprint == "b0b1730ecbc7ff4505142c49f1295e6eda6bcaed7e2c68c5be91b5a11001f024"
    assert apple_status.gdmf().url.startswith("https://gdmf.apple.com/")
    ssl.create_default_context(cadata=apple_status.gdmf().roots)


# -- over the wire --------------------------------------------------------------------------------------------


@dataclass
class Web:
    """A server: what it answers at each path, and what it was asked."""

    port: int = 0
    root: str = ""
    pages: dict[str, Callable[[http.server.BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def feed(
        self, path: str, *, limit: int = 1 << 20, roots: str | None = None, host: str = "localhost"
    ) -> Feed:
        name = hashlib.sha256(path.encode()).hexdigest()[:8]
        return Feed(name, f"https://{host}:{self.port}{path}", limit, self.root if roots is None else roots)

    def gives(self, path: str, body: bytes, code: int = 200, **headers: str) -> None:
        def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
            handler.send_response(code)
            handler.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(body)

        self.pages[path] = answer


def certificate(
    name: str, *, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(UTC)
    signer = key if issuer is None else issuer[1]
    signer_key = signer.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer_key), critical=False)
    )
    if issuer is None:
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    else:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
        )
    return builder.sign(signer, hashes.SHA256()), key


def pem(*parts: x509.Certificate) -> str:
    return "".join(part.public_bytes(serialization.Encoding.PEM).decode() for part in parts)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    root = certificate("Test Root")
    leaf, key = certificate("localhost", issuer=root)
    folder = tmp_path_factory.mktemp("web")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "leaf.pem").write_bytes(private + pem(leaf).encode())
    web = Web(root=pem(root[0]))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web.asked.append(self.path)
            page = web.pages.get(self.path)
            if page is None:
                self.send_error(404)
            else:
                page(self)

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Clients that refuse the certificate, as some tests want."""

    server = Server(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "leaf.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    web.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield web
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def web(served: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served.pages.clear()
    served.asked.clear()
    return served


def test_a_page_is_fetched_once_an_hour(web: Web, tmp_path: Path) -> None:
    web.gives("/status", b"hello")
    feed, folder = web.feed("/status"), str(tmp_path / "cache")
    first = web_feeds.get(feed, folder, seconds=AMPLE_S)
    assert first.body == b"hello"
    assert web_feeds.get(feed, folder, seconds=AMPLE_S) == first
    assert web.asked == ["/status"]
    path = Path(folder) / f"{feed.name}.json"
    assert path.stat().st_mode & 0o077 == 0
    record = json.loads(path.read_text())
    record["fetched"] = (first.fetched - dt.timedelta(minutes=61)).isoformat()
    path.write_text(json.dumps(record))
    web.gives("/status", b"news")
    assert web_feeds.get(feed, folder, seconds=AMPLE_S).body == b"news"
    assert os.listdir(folder) == [path.name]


@pytest.mark.parametrize("age", [0, 50])
def test_the_servers_clock_shows_whether_this_computers_is_right(web: Web, tmp_path: Path, age: int) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.date_time_string = lambda *_: formatdate(time.time() + 7200 - age, usegmt=True)  # type: ignore[method-assign]
        handler.send_response(200)
        handler.send_header("Age", str(age))
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    web.pages["/status"] = answer
    feed, folder = web.feed("/status"), str(tmp_path / "cache")
    for _ in range(2):  # such a page is not kept
        assert web_feeds.get(feed, folder, seconds=AMPLE_S).ahead == pytest.approx(-7200, abs=600)
    web.gives("/status", b"hello")
    assert web_feeds.get(feed, folder, seconds=AMPLE_S).ahead == pytest.approx(0, abs=600)
    assert web_feeds.get(feed, folder, seconds=AMPLE_S).ahead is None


@pytest.mark.parametrize(
    "date", ["", "yesterday", "Wed, 25 Nov 2026 12:00:00", "Wed, 99 Nov 99999 12:00:00 GMT"]
)
def test_a_server_without_a_clock(web: Web, tmp_path: Path, date: str) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.date_time_string = lambda *_: date  # type: ignore[method-assign]
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    web.pages["/status"] = answer
    assert web_feeds.get(web.feed("/status"), str(tmp_path), seconds=AMPLE_S).ahead is None


@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"schema": 9}', b"[]", b'{"schema": 1, "url": 1}', b"[" * 20_000]
)
def test_a_damaged_cache_is_no_obstacle(web: Web, tmp_path: Path, damage: bytes) -> None:
    web.gives("/status", b"hello")
    feed = web.feed("/status")
    (tmp_path / f"{feed.name}.json").write_bytes(damage)
    assert web_feeds.get(feed, str(tmp_path), seconds=AMPLE_S).body == b"hello"


def test_a_page_of_the_future_is_not_believed(web: Web, tmp_path: Path) -> None:
    web.gives("/status", b"hello")
    feed = web.feed("/status")
    page = web_feeds.Page(b"old", datetime.now(UTC) + dt.timedelta(days=400))
    web_feeds._keep(str(tmp_path / f"{feed.name}.json"), feed, page)
    assert web_feeds.get(feed, str(tmp_path), seconds=AMPLE_S).body == b"hello"


def test_a_cache_that_cannot_be_written(web: Web, tmp_path: Path) -> None:
    web.gives("/status", b"hello")
    (tmp_path / "file").write_bytes(b"")
    assert (
        web_feeds.get(web.feed("/status"), str(tmp_path / "file" / "cache"), seconds=AMPLE_S).body == b"hello"
    )


def test_another_root_is_refused(web: Web, tmp_path: Path) -> None:
    """The pinned one, and the system's."""
    web.gives("/status", b"hello")
    for roots in (apple_status.apple_root(), "", pem(certificate("Another Root")[0])):
        with pytest.raises(web_feeds.NotFetched, match="certificate"):
            web_feeds.get(web.feed("/status", roots=roots), str(tmp_path), seconds=AMPLE_S)
    assert not web.asked


def test_another_name_is_refused(web: Web, tmp_path: Path) -> None:
    with pytest.raises(web_feeds.NotFetched, match="certificate"):
        web_feeds.get(web.feed("/status", host="127.0.0.1"), str(tmp_path), seconds=AMPLE_S)


def test_too_much_and_too_slow(web: Web, tmp_path: Path) -> None:
    web.gives("/large", bytes(5000))
    with pytest.raises(web_feeds.NotFetched, match="larger"):
        web_feeds.get(web.feed("/large", limit=4999), str(tmp_path), seconds=AMPLE_S)

    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        for _ in range(60):
            try:
                handler.wfile.write(b"x")
            except OSError:
                return
            time.sleep(0.05)

    web.pages["/drip"] = drip
    with pytest.raises(web_feeds.NotFetched, match="in time"):
        web_feeds.get(web.feed("/drip"), str(tmp_path), seconds=0.3)
    web.pages["/silent"] = lambda handler: time.sleep(1)
    with pytest.raises(web_feeds.NotFetched, match="in time"):
        web_feeds.get(web.feed("/silent"), str(tmp_path), seconds=0.3)


def test_answers_that_are_none(web: Web, tmp_path: Path) -> None:
    web.gives("/moved", b"", 302, Location="http://localhost/plain")
    with pytest.raises(web_feeds.NotFetched, match="without encryption"):
        web_feeds.get(web.feed("/moved"), str(tmp_path), seconds=AMPLE_S)
    with pytest.raises(web_feeds.NotFetched, match="404"):
        web_feeds.get(web.feed("/none"), str(tmp_path), seconds=AMPLE_S)

    def nonsense(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"\x00\x01 not HTTP\r\n\r\n")

    web.pages["/nonsense"] = nonsense
    with pytest.raises(web_feeds.NotFetched):
        web_feeds.get(web.feed("/nonsense"), str(tmp_path), seconds=AMPLE_S)
    with pytest.raises(web_feeds.NotFetched, match="reached"):
        web_feeds.get(Feed("x", "https://localhost:1/", 9), str(tmp_path), seconds=AMPLE_S)


def everything(web: Web) -> Feeds:
    return Feeds(
        web.feed("/status"),
        ((web.feed("/gdmf"), "Apple's list", parse_gdmf), (web.feed("/sofa"), "the SOFA feed", parse_sofa)),
    )


def test_all_of_it(web: Web, tmp_path: Path) -> None:
    web.gives("/status", json.dumps(STATUS).encode())
    web.gives("/gdmf", json.dumps(GDMF).encode())
    status = apple_status.read_status(everything(web), str(tmp_path))
    assert isinstance(status, Seen)
    assert status.source.kind == "apple"
    newest = apple_status.read_newest(everything(web), "iPhone13,2", str(tmp_path))
    assert isinstance(newest, Seen)
    assert newest.value is not None
    assert newest.value.version == "26.10"
    assert web.asked == ["/status", "/gdmf"]


@pytest.mark.parametrize("answer", [b"<html>", b"{}", None])
def test_the_second_feed_when_the_first_fails(web: Web, tmp_path: Path, answer: bytes | None) -> None:
    if answer is not None:
        web.gives("/gdmf", answer)
    web.gives("/sofa", json.dumps(SOFA).encode())
    found = apple_status.read_newest(everything(web), "iPhone13,2", str(tmp_path))
    assert isinstance(found, Seen)
    assert found.value is not None
    assert (found.value.version, found.source.label) == ("26.6.1", "the SOFA feed")


def test_nothing_answers(web: Web, tmp_path: Path) -> None:
    assert isinstance(apple_status.read_status(everything(web), str(tmp_path)), Unseen)
    newest = apple_status.read_newest(everything(web), "iPhone13,2", str(tmp_path))
    assert isinstance(newest, Unseen)
    assert "404" in newest.why
    assert isinstance(apple_status.read_newest(everything(web), None, str(tmp_path)), Unseen)


def test_apple_is_asked_while_the_phone_is(web: Web, tmp_path: Path) -> None:
    web.gives("/status", json.dumps(STATUS).encode())
    web.gives("/gdmf", json.dumps(GDMF).encode())
    with serve(VirtualPhone(PhoneSpec(product_type="iPhone13,2"))) as server:
        evidence = gather(DoctorRequest(address=server.address, feeds=everything(web), cache=str(tmp_path)))
    status, newest = evidence.apple.status.get(), evidence.apple.newest.get()
    assert status is not None
    assert newest is not None
    assert (status.events[0].kind, newest.version) == ("Outage", "26.10")
    assert [source.kind for source in evidence.sources] == ["usb", "apple", "apple"]


def test_apple_is_not_waited_for(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "_APPLE_SECONDS", 0.3)
    done = threading.Event()

    def wait(_handler: object) -> None:
        done.wait()

    web.pages["/status"] = web.pages["/gdmf"] = wait
    try:
        with serve(VirtualPhone(PhoneSpec())) as server:
            evidence = gather(
                DoctorRequest(address=server.address, feeds=everything(web), cache=str(tmp_path))
            )
    finally:
        done.set()
    assert evidence.apple.status == evidence.apple.newest == Unseen("it did not answer in time")
