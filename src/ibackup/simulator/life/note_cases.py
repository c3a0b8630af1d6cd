"""The notes that readers get wrong, with what a correct one says of each.

Names of fields are those of `ibackup.contents.notes`; a field that a case does not name is not judged.
"""

import gzip

from ibackup.simulator.life.made_database import stamp
from ibackup.simulator.life.made_protobuf import block, nested, number
from ibackup.simulator.life.note_bodies import (
    ATTACHED,
    BOLD,
    CHECKBOX,
    DASHED,
    DOTTED,
    HEADING,
    ITALIC,
    MONOSPACED,
    NUMBERED,
    TITLE,
    MadeRun,
    gallery,
    note,
    packed,
    table,
)
from ibackup.simulator.life.notes_db import MADE, MadeAttachment, MadeFolder, MadeNote

_TABLE = MadeAttachment(
    identifier="TABLE-1",
    uti="com.apple.notes.table",
    data=table((("Fruit", "Price"), ("Pears", "2.10"), ("Plums", "")), right_to_left=False),
)
_BROKEN_TABLE = MadeAttachment(
    identifier="TABLE-2", uti="com.apple.notes.table", data=packed(b"\x12\x04none"), summary="Fruit Price"
)
_PICTURE = MadeAttachment(identifier="PICTURE-1", uti="public.jpeg", file_name="Pear tree.jpg")
_OLD_PICTURE = MadeAttachment(
    identifier="PICTURE-2", uti="public.jpeg", file_name="Pear tree.jpg", generation=False
)
_LOST = MadeAttachment(identifier="PDF-1", uti="com.adobe.pdf", file_name="Lease.pdf", present=False)
_DRAWING = MadeAttachment(identifier="DRAWING-1", uti="com.apple.paper", preview=True)
_HASHTAG = MadeAttachment(
    identifier="TAG-1", uti="com.apple.notes.inlinetextattachment.hashtag", shown="#garden"
)
_LINK = MadeAttachment(
    identifier="LINK-1", uti="com.apple.notes.inlinetextattachment.link", shown="Wi-Fi at the cabin"
)
_SCAN = MadeAttachment(
    identifier="SCAN-1", uti="com.apple.notes.gallery", title="Contract", data=gallery(("PAGE-2", "PAGE-1"))
)
_PAGES = tuple(
    MadeAttachment(
        identifier=f"PAGE-{page}", uti="public.jpeg", file_name=f"Page {page}.jpg", parent="SCAN-1"
    )
    for page in (1, 2)
)


def _here(attachment: MadeAttachment) -> MadeRun:
    return MadeRun(text=ATTACHED, attachment=(attachment.identifier, attachment.uti))


_DEEP = 10_000
_LARGE = 80 * 1024 * 1024
"""Bytes to which a small body grows; a reader that unpacks all of them runs out of memory."""


def bomb() -> bytes:
    """A body of 80 KiB that grows a thousandfold."""
    return gzip.compress(bytes(_LARGE), compresslevel=6, mtime=0)


NOTES: tuple[MadeNote, ...] = (
    MadeNote(
        case="every style",
        title="Garden plan",
        data=note(
            (
                MadeRun(text="Garden plan\n", style=TITLE),
                MadeRun(text="Now 🌳\n", style=HEADING),
                MadeRun(text="Dig, "),
                MadeRun(text="mulch", weight=BOLD),
                MadeRun(text=" and ", weight=ITALIC),
                MadeRun(text="rest", weight=BOLD | ITALIC, underlined=True),
                MadeRun(text=" <b>& go 🍏</b>", struck=True),
                MadeRun(text=" see "),
                MadeRun(text="the nursery", link="https://example.org/trees?a=1&b=2"),
                MadeRun(text=" or "),
                MadeRun(text="not", link="javascript:alert(1)"),
                MadeRun(text="\n"),
                MadeRun(text="apples\n", style=DOTTED),
                MadeRun(text="late ones\n", style=DOTTED, indent=1),
                MadeRun(text="pears\n", style=DASHED),
                MadeRun(text="first\n", style=NUMBERED),
                MadeRun(text="second\n", style=NUMBERED),
                MadeRun(text="spade\n", style=CHECKBOX, checked=True),
                MadeRun(text="gloves\n", style=CHECKBOX, checked=False),
                MadeRun(text="for tree in row:\n", style=MONOSPACED),
                MadeRun(text="    plant(tree)\n", style=MONOSPACED),
                MadeRun(text="A garden is never finished.\n", quote=True),
                MadeRun(text="H"),
                MadeRun(text="2", raised=-1),
                MadeRun(text="O, 20 m"),
                MadeRun(text="2", raised=1),
            )
        ),
        folder=3,
        columns={"ZISPINNED": 1},
        says={
            "title": "Garden plan",
            "folder": ("Projects", "Garden"),
            "account": "iCloud",
            "pinned": True,
            "locked": False,
            "created": "2024-06-02T10:00:00+00:00",
            "modified": "2024-06-02T11:00:00+00:00",
            "paragraphs": (
                ("title", "Garden plan"),
                ("heading", "Now 🌳"),
                ("", "Dig, mulch and rest <b>& go 🍏</b> see the nursery or not"),
                ("bullet", "apples"),
                ("bullet", "late ones"),
                ("dash", "pears"),
                ("number", "first"),
                ("number", "second"),
                ("checkbox", "spade"),
                ("checkbox", "gloves"),
                ("monospaced", "for tree in row:"),
                ("monospaced", "    plant(tree)"),
                ("", "A garden is never finished."),
                ("", "H2O, 20 m2"),
            ),
        },
    ),
    MadeNote(
        case="table, pictures, drawing, scan, hashtag and link",
        title="Everything",
        data=note(
            (
                MadeRun(text="Everything\n", style=TITLE),
                _here(_TABLE),
                MadeRun(text="\n"),
                _here(_BROKEN_TABLE),
                _here(_PICTURE),
                _here(_OLD_PICTURE),
                _here(_LOST),
                _here(_DRAWING),
                _here(_SCAN),
                MadeRun(text="\nAbout "),
                _here(_HASHTAG),
                MadeRun(text=" and "),
                _here(_LINK),
                MadeRun(text=ATTACHED, attachment=("NOBODY", "public.png")),
            )
        ),
        folder=4,
        attachments=(
            _TABLE,
            _BROKEN_TABLE,
            _PICTURE,
            _OLD_PICTURE,
            _LOST,
            _DRAWING,
            _SCAN,
            *_PAGES,
            _HASHTAG,
            _LINK,
        ),
        says={
            "folder": ("Garden",),
            "tables": {"TABLE-1": (("Fruit", "Price"), ("Pears", "2.10"), ("Plums", ""))},
            "files": {
                "PICTURE-1": _PICTURE.path,
                "PICTURE-2": _OLD_PICTURE.path,
                "PDF-1": "",
                "DRAWING-1": _DRAWING.preview_path,
                "PAGE-1": _PAGES[0].path,
                "PAGE-2": _PAGES[1].path,
            },
            "inline": {"TAG-1": "#garden", "LINK-1": "Wi-Fi at the cabin"},
        },
    ),
    MadeNote(
        case="locked with its own password",
        title="Codes",
        data=b"\x01\x02\x03 not to be read",
        columns={"ZISPASSWORDPROTECTED": 1, "ZPASSWORDHINT": "<b>my cat</b>"},
        crypto={
            "ZCRYPTOITERATIONCOUNT": 20_000,
            "ZCRYPTOSALT": bytes(16),
            "ZCRYPTOWRAPPEDKEY": bytes(24),
            "ZCRYPTOINITIALIZATIONVECTOR": bytes(16),
            "ZCRYPTOTAG": bytes(16),
        },
        says={"title": "Codes", "locked": True, "hint": "<b>my cat</b>", "paragraphs": ()},
    ),
    MadeNote(
        case="locked with the phone's passcode",
        title="Safe",
        data=b"bplist00\xd1\x01\x02 no note",
        columns={"ZISPASSWORDPROTECTED": 1},
        crypto={"ZCRYPTOITERATIONCOUNT": 0, "ZCRYPTOWRAPPEDKEY": bytes(16)},
        says={"title": "Safe", "locked": True, "hint": "", "paragraphs": ()},
    ),
    MadeNote(
        case="in the trash",
        title="Old list",
        data=note((MadeRun(text="Old list\nmilk"),)),
        folder=9,
        says={"trashed": True, "paragraphs": (("", "Old list"), ("", "milk"))},
    ),
    MadeNote(
        case="remnant of a deleted note",
        title=None,
        columns={"ZMARKEDFORDELETION": 1, "ZSNIPPET": None},
        says=None,
    ),
    MadeNote(
        case="deleted, but its text is still here",
        title="Recipe",
        data=note((MadeRun(text="Recipe\nthyme"),)),
        columns={"ZMARKEDFORDELETION": 1},
        says={"trashed": True, "paragraphs": (("", "Recipe"), ("", "thyme"))},
    ),
    MadeNote(case="empty", title=None, data=note(()), says={"title": "", "paragraphs": ()}),
    MadeNote(
        case="folder that is gone",
        title="Lost",
        data=note((MadeRun(text="Lost"),)),
        folder=77,
        says={"folder": (), "paragraphs": (("", "Lost"),)},
    ),
    MadeNote(
        case="truncated body",
        title="Cut",
        data=note((MadeRun(text="Cut\n" + "x" * 400),))[:30],
        says={"title": "Cut", "unreadable": True},
    ),
    MadeNote(case="body that is no gzip", title="Plain", data=b"Plain text", says={"unreadable": True}),
    MadeNote(
        case="protobuf ten thousand deep",
        title="Well",
        data=packed(nested(2, _DEEP)),
        says={"title": "Well", "paragraphs": ()},
    ),
    MadeNote(
        case="runs longer than the text",
        title="Short",
        data=packed(block(2, block(3, block(2, "Short"), block(5, number(1, 10**9), number(5, 1))))),
        says={"paragraphs": (("", "Short"),)},
    ),
    MadeNote(
        case="title and date of the wrong kind",
        title=None,
        data=note((MadeRun(text="From the body\nmore"),)),
        columns={"ZMODIFICATIONDATE1": "soon", "ZTITLE1": 7, "ZSNIPPET": b"\xff"},
        says={"title": "7", "modified": None, "paragraphs": (("", "From the body"), ("", "more"))},
    ),
    MadeNote(
        case="made before 2001",
        title="Old",
        data=note((MadeRun(text="Old"),)),
        columns={"ZMODIFICATIONDATE1": stamp(MADE - 10**9)},
        says={"modified": "1992-09-24T08:13:20+00:00"},
    ),
)
FOLDERS: tuple[MadeFolder, ...] = (
    MadeFolder(pk=1, title="Notes"),
    MadeFolder(pk=2, title="Projects"),
    MadeFolder(pk=3, title="Garden", parent=2),
    MadeFolder(pk=4, title="Garden"),
    MadeFolder(pk=5, title="In a circle", parent=6),
    MadeFolder(pk=6, title="That bites its tail", parent=5),
    MadeFolder(pk=8, title="With boxes", smart=True),
    MadeFolder(pk=9, title="Recently Deleted", kind=1),
)
