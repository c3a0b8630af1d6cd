"""The WhatsApp messages that readers get wrong, with what a correct one says of each.

Names of fields are those of `ibackup.contents.whatsapp`; a field that a case does not name is not judged.
"""

import base64

from ibackup.simulator.life.made_protobuf import block, number
from ibackup.simulator.life.whatsapp_db import (
    MadeChat,
    MadeChatMessage,
    MadeMedia,
    MadeWhatsApp,
    identifier,
)

ADA, BOB, CLO, DAN = (f"4915550000{at}@s.whatsapp.net" for at in (1, 2, 3, 4))
HIDDEN, UNKNOWN = "100000000000001@lid", "100000000000002@lid"
GROUP, NAMESAKE = "120363000000000001@g.us", "120363000000000002@g.us"
_PACKED_NAME = base64.b64encode(block(1, "Chloé") + number(2, 7)).decode()
"""Newer versions store the name that people chose for themselves in this form."""

DIRECT = MadeChat(
    jid=ADA,
    name="Ada",
    messages=(
        MadeChatMessage(
            case="plain", text="Good morning", says={"text": "Good morning", "sender": "Ada", "kind": "text"}
        ),
        MadeChatMessage(
            case="reply",
            text="To you, too",
            mine=True,
            media=MadeMedia(quoted=identifier("plain")),
            says={"sender": "Me", "from_me": True, "reply_to": identifier("plain"), "media": None},
        ),
        MadeChatMessage(
            case="reply to a message that was deleted",
            text="What did it say?",
            media=MadeMedia(quoted="GONE"),
            says={"reply_to": "GONE"},
        ),
        MadeChatMessage(case="deleted", kind=14, says={"kind": "deleted", "text": ""}),
        MadeChatMessage(
            case="picture with caption, reactions of both",
            kind=1,
            media=MadeMedia(
                name="pic.jpg", mime="image/jpeg", title="The new boat", latitude=1600.0, longitude=1200.0
            ),
            reactions=((None, "👍"), (ADA, "❤️")),
            says={
                "kind": "image",
                "text": "The new boat",
                "place": None,
                "file": f"Message/Media/{ADA}/a/b/pic.jpg",
                "reactions": (("", "👍"), ("Ada", "❤️")),
            },
        ),
        MadeChatMessage(
            case="film that is missing",
            kind=2,
            media=MadeMedia(name="film.mp4", present=False, mime="video/mp4", duration=31),
            says={"kind": "video", "file": "", "missing": True, "duration_s": 31},
        ),
        MadeChatMessage(
            case="voice message never downloaded",
            kind=3,
            media=MadeMedia(mime="audio/ogg; codecs=opus", duration=7),
            says={"kind": "voice", "file": "", "missing": True},
        ),
        MadeChatMessage(
            case="place",
            kind=5,
            media=MadeMedia(title="Harbor", latitude=54.3233, longitude=10.1228),
            says={"kind": "location", "place": (54.3233, 10.1228)},
        ),
        MadeChatMessage(
            case="document",
            kind=8,
            media=MadeMedia(name="x.pdf", mime="application/pdf", title="../../Lease: 2024.pdf"),
            says={"kind": "document", "file_name": "../../Lease: 2024.pdf"},
        ),
        MadeChatMessage(case="view once", kind=38, says={"kind": "view once"}),
        MadeChatMessage(case="poll", kind=46, text="When?", says={"kind": "poll", "text": "When?"}),
        MadeChatMessage(case="call", kind=59, says={"kind": "call"}),
        MadeChatMessage(case="missed call", kind=10, says={"kind": "system"}),
        MadeChatMessage(
            case="kind of the future", kind=123, text="?", says={"kind": "type 123", "text": "?"}
        ),
        MadeChatMessage(
            case="values of the wrong kind",
            text="still here",
            columns={"ZMESSAGEDATE": "soon", "ZMESSAGETYPE": b"\x00", "ZISFROMME": "no"},
            says={"text": "still here", "time": None},
        ),
        MadeChatMessage(
            case="markup", text="<script>alert(1)</script>", says={"text": "<script>alert(1)</script>"}
        ),
    ),
    says={"name": "Ada", "group": False},
)
CREW = MadeChat(
    jid=GROUP,
    name="Crew",
    kind=1,
    members=((1, BOB, "\u202aBob\u202c"), (2, HIDDEN, None), (3, UNKNOWN, None), (4, CLO, None)),
    messages=(
        MadeChatMessage(
            case="event of unknown number",
            kind=6,
            columns={"ZGROUPEVENTTYPE": 777},
            says={"kind": "group event", "sender": "Crew", "event": 777},
        ),
        MadeChatMessage(case="member with marks in the name", text="Ahoy", member=1, says={"sender": "Bob"}),
        MadeChatMessage(
            case="hidden number with a known phone number", text="Here", member=2, says={"sender": "Dan"}
        ),
        MadeChatMessage(
            case="hidden number with a packed push name",
            text="Me too",
            member=3,
            push_name=_PACKED_NAME,
            says={"sender": "~Chloé"},
        ),
        MadeChatMessage(
            case="member known by push name", text="And me", member=4, says={"sender": "~Chloe B."}
        ),
        MadeChatMessage(
            case="reaction taken back",
            text="Sail at six",
            mine=True,
            reactions=((BOB, "👍"), (BOB, "")),
            says={"reactions": ()},
        ),
        MadeChatMessage(
            case="reaction of a hidden member",
            text="Bring coats",
            mine=True,
            reactions=((HIDDEN, "🧥"),),
            says={"reactions": (("Dan", "🧥"),)},
        ),
    ),
    says={"name": "Crew", "group": True},
)
OTHERS = (
    MadeChat(
        jid=NAMESAKE,
        name="Crew",
        kind=1,
        messages=(MadeChatMessage(case="in the namesake", text="Other Crew"),),
        says={"name": "Crew", "group": True},
    ),
    MadeChat(
        jid="status@broadcast",
        name=None,
        kind=3,
        messages=(MadeChatMessage(case="status", text="Sunny"),),
        says={"name": "Status"},
    ),
    MadeChat(jid=BOB, name=None, says={"name": "Bob", "messages": 0}),
    MadeChat(jid=UNKNOWN, name=None, columns={"ZARCHIVED": 1}, says={"archived": True}),
)
MADE = MadeWhatsApp(
    chats=(DIRECT, CREW, *OTHERS),
    push_names=((CLO, "Chloe B."), (ADA, "not used")),
    contacts=((BOB, "Bob B."), (DAN, "Dan")),
    lids=((HIDDEN, DAN.partition("@")[0]),),
)
WITHOUT_CONTACTS = MadeWhatsApp(chats=(DIRECT, CREW, *OTHERS), push_names=((CLO, "Chloe B."),))
"""The same without ContactsV2.sqlite and LID.sqlite."""
EMPTY = MadeWhatsApp(chats=())
