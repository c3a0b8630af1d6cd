"""The WebDAV face, with two clients: curl and rclone."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from explore.taking import PASSWORD, files_below
from support.minted import Mint, Spec
from support.program import Program, programs
from support.runs import SMALL

pytestmark = [pytest.mark.peer, pytest.mark.slow]

FILM = bytes(range(256)) * 2_000
SPECS = [
    Spec("HomeDomain", "Library/a b#c?d%e.txt", b"odd"),
    Spec("HomeDomain", "Library/ctrl\x1b[31m\nline", b"control"),
    Spec("HomeDomain", "Library/CASE", b"upper"),
    Spec("HomeDomain", "Library/case", b"lower"),
    Spec("HomeDomain", "Library/grew", b"x" * 5000, size=33),
    Spec("HomeDomain", "Library/page.html", b"<script>alert(1)</script>"),
    Spec("HomeDomain", "Library/link", flags=4, target="/etc/passwd"),
    Spec("MediaDomain", "film.mov", FILM),
]


class Served:
    """A mounted backup by WebDAV."""

    def __init__(self, said: dict[str, str], curl: str) -> None:
        self.url = said["at"]
        self.user = f"{said['user']}:{said['password']}"
        self._curl = curl

    def curl(self, path: str, *options: str, user: str | None = None) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and content."""
        given = self.user if user is None else user
        done = subprocess.run(
            [self._curl, "-s", "-i", "-K", "-", *options, self.url + quote(path)],
            input=f'user = "{given}"\n'.encode() if given else b"",
            capture_output=True,
            check=True,
        )
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines)
        return int(status.split()[1]), headers, body


@pytest.fixture
def served(tmp_path: Path, require_tool: Callable[[str], str]) -> Iterator[tuple[Program, Served, Path]]:
    curl = require_tool("curl")
    (tmp_path / "made").mkdir()
    minted = Mint(tmp_path / "made")(PASSWORD, specs=SPECS)
    secret = tmp_path / "secret"
    secret.write_text(PASSWORD)
    secret.chmod(0o600)
    with programs(tmp_path) as make:
        program = make(SMALL)
        given = (str(minted.folder), "--password-file", str(secret))
        process = program.start("mount", *given, "--kind", "webdav", "--json")
        assert process.stdout is not None
        event = next(each for each in map(json.loads, process.stdout) if each["event"] == "mounted")
        yield program, Served(event, curl), minted.folder
        assert program.run("unmount").out == f"Unmounted: {event['at']}\n"
        program.finish(process, 0)


def test_programs_and_browsers_read_each_file_and_nobody_else_does(
    served: tuple[Program, Served, Path],
) -> None:
    _, site, _ = served
    assert site.curl("", user="")[0] == 401
    assert site.curl("", user="ibackup:wrong")[0] == 401
    assert site.curl("", "--digest", user="ibackup:wrong")[2].count(b"HTTP/1.1 401") == 1
    assert b"HTTP/1.1 200 OK" in site.curl("", "--digest")[2]  # Windows gives no password in the clear
    assert site.curl("", "-X", "OPTIONS", user="")[0] == 200  # which it asks first
    assert site.curl("", "-H", "Host: evil.example")[0] == 421
    status, headers, body = site.curl("Files/HomeDomain/Library/", "-X", "PROPFIND", "-H", "Depth: 1")
    assert (status, headers["dav"]) == (207, "1")
    assert body.count(b"<D:response>") == 8
    assert b"a%20b%23c_d%25e.txt" in body
    for name, content in (("a b#c_d%e.txt", b"odd"), ("case (2)", b"lower"), ("grew", b"x" * 5000)):
        assert site.curl(f"Files/HomeDomain/Library/{name}")[2] == content
    assert site.curl("Files/HomeDomain/Library/link")[2] == b"/etc/passwd"
    film = "Files/MediaDomain/film.mov"
    for asked, start, end in (("5-9", 5, 10), ("511999-", 511_999, 512_000), ("-7", 511_993, 512_000)):
        status, headers, body = site.curl(film, "-r", asked)
        assert (status, body) == (206, FILM[start:end])
        assert headers["content-range"] == f"bytes {start}-{end - 1}/512000"
    assert site.curl(film, "-r", "600000-")[0] == 416
    assert site.curl(film, "-I")[1]["content-length"] == "512000"
    page = site.curl("Files/HomeDomain/Library/page.html")[1]
    assert page["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert b'href="/Files/"' in site.curl("")[2]
    for method in ("PUT", "DELETE", "MKCOL", "MOVE", "LOCK", "PROPPATCH"):
        assert site.curl("Files/new", "-X", method)[0] == 405
    assert site.curl("Files", "-X", "PROPFIND")[0] == 403  # of unlimited depth
    assert site.curl("../etc/passwd", "--path-as-is")[0] == 404


def test_another_client_gets_the_bytes_that_extract_writes(
    served: tuple[Program, Served, Path], tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    program, site, folder = served
    assert "--links" in program.run("mount", "--kind", "webdav", "--links", code=2).err
    rclone = require_tool("rclone")
    user, _, password = site.user.partition(":")
    hidden = subprocess.run(
        [rclone, "obscure", "-"], input=password, text=True, capture_output=True, check=True
    )
    environment = {
        "HOME": str(tmp_path),
        "RCLONE_CONFIG_HERE_TYPE": "webdav",
        "RCLONE_CONFIG_HERE_URL": site.url,
        "RCLONE_CONFIG_HERE_USER": user,
        "RCLONE_CONFIG_HERE_PASS": hidden.stdout.strip(),
    }
    got = tmp_path / "got"
    # What a record says of a size may be wrong: then a client has to take what comes.
    copy = [rclone, "copy", "--ignore-size", "here:Files", str(got)]
    subprocess.run(copy, env=environment, check=True, capture_output=True)
    secret = str(tmp_path / "secret")
    taking = ("extract", str(folder), "--password-file", secret, "--all", "--portable")
    program.run(*taking, "--to", str(tmp_path / "out"), code=None)
    taken = files_below(tmp_path / "out")
    taken.pop("ibackup-renamed.txt")
    shown = files_below(got)
    assert shown.pop("HomeDomain/Library/link") == b"/etc/passwd"
    assert shown == taken
