"""Files: folders, what is in a file, its versions, and downloads; of a lived-in phone and of hostile backups."""

import http.client
import io
import os
import sqlite3
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from support import hostile_names, web
from support.minted import Mint, Minted, Spec
from support.program import MakeProgram, Program
from support.runs import PASSWORD, SMALL
from support.web_client import Answer, WebClient, client

pytestmark = pytest.mark.peer
HOME = "AppDomain-com.example.app"
FILES = "/phone/anns-iphone/files"
NAMES = [name for name in hostile_names.NAMES if not {"\0", "\ud800"} & set(name) and len(name) < 900]


@pytest.fixture(scope="module")
def lived(lived_in: Program) -> Iterator[WebClient]:
    with client(lived_in) as found:
        yield found


def address(what: str = "", domain: str = HOME, path: str = "", **more: str) -> str:
    return f"{what}?{urlencode({'in': domain, 'path': path, **more})}"


class Hostile:
    """A view of one made backup."""

    def __init__(self, minted: Minted, found: WebClient) -> None:
        self.minted = minted
        self.client = found
        self.base = found.get("/").links("/phone/")[0].split("?")[0]
        self.base = "/".join(self.base.split("/")[:3]) + "/files"

    def get(self, what: str = "", path: str = "", **more: str) -> Answer:
        return self.client.get(self.base + address(what, path=path, **more))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hostile]:
    """A backup whose names and contents are attacks."""
    from support.program import programs

    folder = tmp_path_factory.mktemp("hostile")
    base = folder / "x.db"
    db = sqlite3.connect(base)
    db.execute('CREATE TABLE "<script>alert(1)</script>" (a)')
    db.execute('INSERT INTO "<script>alert(1)</script>" VALUES (?)', ("<img src=x onerror=alert(1)>",))
    db.execute("CREATE VIEW sly AS SELECT load_extension('x')")
    db.commit()
    db.close()
    specs = [Spec(HOME, f"names/{place}/{name}", name.encode()) for place, name in enumerate(NAMES)]
    specs += [
        Spec(HOME, "page.html", b"<script>alert(1)</script>"),
        Spec(HOME, "drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"),
        Spec(HOME, "some.db", base.read_bytes()),
        Spec(HOME, "many/" + "f" * 200, b"1"),
        *(Spec(HOME, f"many/{number:04}.txt", b"2") for number in range(450)),
        Spec(HOME, "same/A.txt", b"upper"),
        Spec(HOME, "same/a.txt", b"lower"),
        Spec(HOME, "same/con", b"reserved on Windows"),
        Spec(HOME, "same/link", flags=4, target="/etc/passwd"),
        Spec(HOME, "lost/here.txt", b"here"),
        Spec(HOME, "short/half.bin", bytes(100), size=200),
        Spec(HOME, "lost/missing.txt", b"missing"),
        Spec(HOME, "empty", flags=2),
    ]
    minted = Mint(folder)(None, specs=specs)
    minted.blob(HOME, "lost/missing.txt").unlink()
    with programs(folder / "p") as make:
        (folder / "p").mkdir(exist_ok=True)
        with client(make(SMALL), str(minted.folder)) as found:
            yield Hostile(minted, found)


# -- a lived-in phone ---------------------------------------------------------------------------------------


def test_every_page_of_files_can_be_read(lived: WebClient) -> None:
    seen: set[str] = set()
    waiting = [FILES]
    while waiting and len(seen) < 120:
        at = waiting.pop().split("#")[0]
        if at in seen:
            continue
        seen.add(at)
        answer = lived.get(at)
        assert answer.status == 200, (at, answer.heading)
        if str(answer.headers["content-type"]).startswith("text/html"):
            waiting += [each for each in answer.links(FILES) if "/content" not in each and "/zip" not in each]
    assert len(seen) > 40


def test_a_file_is_downloaded_byte_for_byte(lived: WebClient, lived_in: Program) -> None:
    place = address(f"{FILES}/content", "HomeDomain", "Library/SMS/sms.db", download="1")
    answer = lived.get(place)
    newest = max(lived_in.snapshots)
    blob = next(newest.glob("*/3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28"))
    assert answer.body == blob.read_bytes()
    assert str(answer.headers["content-disposition"]).startswith('attachment; filename="sms.db"')
    assert answer.headers["cache-control"] == "no-store"


def test_a_database_shows_its_tables(lived: WebClient) -> None:
    answer = lived.get(address(FILES, "HomeDomain", "Library/SMS/sms.db", table="message"))
    assert '<th scope="col">guid</th>' in answer.text
    assert answer.text.count('<th scope="row"') > 5
    assert 'value="message" selected' in answer.text


def test_versions_are_told_by_their_checksums(lived: WebClient) -> None:
    answer = lived.get(address(FILES, "HomeDomain", "Library/SMS/sms.db", look="versions"))
    assert "Versions" in answer.text
    assert "at=" in answer.text  # the first backup has another one


def test_an_app_is_a_zip_with_all_its_files(lived: WebClient) -> None:
    answer = lived.get(f"{FILES}/zip?app=CameraRollDomain")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as found:
        assert found.testzip() is None
        assert len(found.namelist()) >= 10
    assert answer.headers["content-type"] == "application/zip"


def test_a_locked_backup_asks_for_its_password(lived_in_encrypted: Program) -> None:
    with client(lived_in_encrypted) as found:
        files = "/phone/bobs-iphone/files"
        content = address(f"{files}/content", "HomeDomain", "Library/SMS/sms.db")
        for what, status in ((files, 200), (content, 403), (f"{files}/zip", 403)):
            answer = found.get(what)
            assert answer.status == status
            assert "locked" in answer.heading
        unlocked = found.post("/phone/bobs-iphone/unlock", {"password": PASSWORD, "next": files})
        assert unlocked.status == 303
        assert found.get(files).heading == "Files"
        whole = found.get(f"{files}/zip")
        with zipfile.ZipFile(io.BytesIO(whole.body)) as archive:
            assert archive.testzip() is None


@pytest.mark.parametrize("scripts", [True, False])
def test_the_way_from_the_map_to_a_file_and_back(chromium: Browser, view: web.View, *, scripts: bool) -> None:
    with web.visitor(chromium, view, scripts=scripts) as visitor:
        page = visitor.page
        visitor.go(FILES)
        page.get_by_role("link", name="Messages, contacts, settings").last.click()
        page.get_by_role("link", name="Library").click()
        page.get_by_role("link", name="SMS").click()
        page.get_by_role("link", name="sms.db").click()
        page.get_by_role("heading", name="sms.db").wait_for()
        page.go_back()
        page.get_by_role("heading", name="SMS").first.wait_for()


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("files", FILES),
        ("files-folder", address(FILES, "HomeDomain", "Library")),
        ("files-database", address(FILES, "HomeDomain", "Library/SMS/sms.db")),
    ],
)
def test_files_look_right_everywhere(chromium: Browser, view: web.View, name: str, what: str) -> None:
    with web.visitor(chromium, view) as visitor:
        visitor.go(what)
        visitor.check(name)


# -- hostile backups ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_a_hostile_name_is_shown_and_nothing_else(hostile: Hostile, place: int) -> None:
    listed = hostile.get(path=f"names/{place}")
    assert listed.status == 200
    for raw in ("<b onload", "<script", "Header: x\r\n"):
        assert raw not in listed.text.replace('<script src="/static', "")
    shown = hostile.get(path=f"names/{place}/{NAMES[place]}")
    assert shown.status == 200
    assert "<b onload" not in shown.text
    sent = hostile.get("/content", path=f"names/{place}/{NAMES[place]}", download="1")
    assert sent.body == NAMES[place].encode()
    assert "\n" not in str(sent.headers["content-disposition"])
    assert sent.headers["header"] is None


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "some.db"])
def test_what_could_run_is_a_download(hostile: Hostile, name: str) -> None:
    sent = hostile.get("/content", path=name)
    assert sent.headers["content-type"] == "application/octet-stream"
    assert str(sent.headers["content-disposition"]).startswith("attachment")
    assert "sandbox" in str(sent.headers["content-security-policy"])
    page = hostile.get(path=name)
    assert "<script>alert" not in page.text
    assert "onload='alert" not in page.text
    assert "<img src=x" not in page.text


def test_what_is_not_in_the_backup_is_told(hostile: Hostile) -> None:
    for path in ("../../../etc/passwd", "no/such/file", "page.html/x", "/etc/passwd"):
        for what in ("", "/content", "/zip"):
            answer = hostile.get(what, path=path)
            assert answer.status == 404, (what, path)
            assert "not in this backup" in answer.heading
    assert hostile.client.get(f"{hostile.base}?app=nothing").status == 404
    assert hostile.get(path="some.db", table="sly", after="9" * 60).status == 200
    assert hostile.get(path="many", **{"from": "-5", "sort": "x"}).status == 200


def test_a_folder_of_many_files_comes_in_parts(hostile: Hostile) -> None:
    seen: list[str] = []
    at = hostile.base + address(path="many")
    while at:
        answer = hostile.client.get(at)
        seen += [each for each in answer.links(hostile.base) if ".txt" in each]
        at = next((each for each in answer.links(hostile.base) if "from=" in each and each != at), "")
        if len(seen) >= 450:
            break
    assert len(set(seen)) == 450


def test_names_in_a_zip_are_safe_and_each_is_there(hostile: Hostile) -> None:
    answer = hostile.get("/zip", path="same")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as found:
        names = found.namelist()
        contents = sorted(found.read(each) for each in names if not each.endswith("zip.txt"))
    assert contents == sorted([b"upper", b"lower", b"reserved on Windows"])
    assert len({each.lower() for each in names}) == len(names)
    assert not any(each.rpartition("/")[2].lower() == "con" for each in names)


def test_names_that_are_attacks_stay_below_the_folder(hostile: Hostile) -> None:
    with zipfile.ZipFile(io.BytesIO(hostile.get("/zip", path="names").body)) as found:
        names = found.namelist()
        assert sorted(found.read(each) for each in names) == sorted(name.encode() for name in NAMES)
    for each in names:
        assert each.startswith("names/")
        assert ".." not in each.split("/")
        assert not set('<>:"\\|?*\r\n') & set(each)


def test_a_file_that_is_missing_is_named_in_the_zip(hostile: Hostile) -> None:
    with zipfile.ZipFile(io.BytesIO(hostile.get("/zip", path="lost").body)) as found:
        names = found.namelist()
        assert "lost/here.txt" in names
        (said,) = [each for each in names if each.endswith("not-in-this-zip.txt")]
        assert "missing.txt" in found.read(said).decode()
    answer = hostile.get("/content", path="lost/missing.txt")
    assert answer.status == 404
    assert "missing" in answer.heading
    assert "missing in the backup" in hostile.get(path="lost/missing.txt").text


def test_a_file_that_is_too_short_is_named_in_the_zip(hostile: Hostile) -> None:
    with zipfile.ZipFile(io.BytesIO(hostile.get("/zip", path="short").body)) as found:
        (said,) = [each for each in found.namelist() if each.endswith("not-in-this-zip.txt")]
        assert "half.bin (the backup has 100 of its 200 bytes)" in found.read(said).decode()
        assert found.read("short/half.bin") == bytes(100)


def test_what_breaks_in_the_middle_breaks_the_transfer(make_program: MakeProgram, tmp_path: Path) -> None:
    size = 64 << 20  # more than the connection holds
    minted = Mint(tmp_path)(None, specs=[Spec(HOME, "a.bin", bytes(size)), Spec(HOME, "b.bin", b"after")])
    with client(make_program(SMALL), str(minted.folder)) as found:
        base = "/".join(found.get("/").links("/phone/")[0].split("?")[0].split("/")[:3])
        with found.begun(f"{base}/files/zip") as response:
            begun = response.read(1 << 16)
            os.truncate(minted.blob(HOME, "a.bin"), size // 2)
            with pytest.raises(http.client.IncompleteRead) as caught:
                response.read()
        assert not zipfile.is_zipfile(io.BytesIO(begun + caught.value.partial))
        again = found.get(f"{base}/files/zip")  # the server is as well as before
        assert zipfile.is_zipfile(io.BytesIO(again.body))
