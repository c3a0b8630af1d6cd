"""Notes of mail accounts: their HTML becomes paragraphs, and nothing in it runs."""

from ibackup.contents.gaps import Gaps
from ibackup.contents.notes.mail_notes import MailNotes, html_paragraphs
from ibackup.contents.notes.written_note import WrittenNote
from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.life.made_database import MadeDatabase, stamp
from support.lives import backup_of
from support.minted import Mint

MADE = 1_717_322_400
TABLES = {
    "ZNOTE": """Z_PK INTEGER PRIMARY KEY, ZBODY INTEGER, ZDELETEDFLAG INTEGER, ZSTORE INTEGER, ZCREATIONDATE TIMESTAMP,
 ZMODIFICATIONDATE TIMESTAMP, ZGUID VARCHAR, ZTITLE VARCHAR""",
    "ZNOTEBODY": "Z_PK INTEGER PRIMARY KEY, ZOWNER INTEGER, ZCONTENT VARCHAR",
    "ZSTORE": "Z_PK INTEGER PRIMARY KEY, ZNAME VARCHAR",
}


def read(mint: Mint, database: MadeDatabase) -> list[WrittenNote]:
    file = LifeFile("HomeDomain", "Library/Notes/notes.sqlite", database.data(), MADE)
    with backup_of(mint, [file]) as backup:
        notes = MailNotes.of(backup, Gaps())
        assert notes is not None
        with notes:
            return list(notes)


def made(*, bodies: bool = True) -> MadeDatabase:
    database = MadeDatabase(TABLES)
    database.add("ZSTORE", {"Z_PK": 1, "ZNAME": "Mail"})
    times = {"ZCREATIONDATE": stamp(MADE), "ZMODIFICATIONDATE": stamp(MADE + 60)}
    database.add("ZNOTE", {"Z_PK": 1, "ZBODY": 7, "ZSTORE": 1, "ZGUID": "ONE", "ZTITLE": "List", **times})
    database.add("ZNOTE", {"Z_PK": 2, "ZBODY": 7, "ZGUID": "TWO", "ZTITLE": "Other", "ZDELETEDFLAG": 1})
    if bodies:
        database.add(
            "ZNOTEBODY", {"Z_PK": 7, "ZOWNER": 1, "ZCONTENT": "List<div>milk</div><div><br></div><b>eggs</b>"}
        )
        database.add("ZNOTEBODY", {"Z_PK": 8, "ZOWNER": 2, "ZCONTENT": "Other"})
    return database


def test_each_note_has_its_own_text(mint: Mint) -> None:
    one, two = read(mint, made())
    assert (one.id, one.title, one.folder) == ("mail ONE", "List", ("Mail",))
    assert [paragraph.text for paragraph in one.paragraphs] == ["List", "milk", "", "eggs"]
    assert one.paragraphs[-1].spans[0].bold
    assert one.created is not None
    assert one.created.timestamp() == MADE
    assert two.trashed
    assert [paragraph.text for paragraph in two.paragraphs] == [
        "Other"
    ]  # not the one that its row names by mistake


def test_notes_without_bodies_are_listed(mint: Mint) -> None:
    assert [note.title for note in read(mint, made(bodies=False))] == ["List", "Other"]


def test_html_of_strangers_is_only_text() -> None:
    html = "<script>alert(1)</script><p onclick=x>a &lt;b&gt; <a href='javascript:x'>c</a><style>p{}</style>d"
    [paragraph] = html_paragraphs(html)
    assert paragraph.text == "a <b> cd"
    assert [span.link for span in paragraph.spans] == [
        "",
        "javascript:x",
        "",
    ]  # the page that shows it leaves it out
    assert html_paragraphs("<div>" * 100_000 + "deep") != ()
    assert len(html_paragraphs("<br>" * 300_000)) == 100_000
    assert html_paragraphs("<h1>T</h1><ul><li>x</ul>")[0].style == "title"
