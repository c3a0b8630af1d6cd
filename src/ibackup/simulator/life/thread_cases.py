"""A phone's conversations, with the threads that the app splits and mixes, and what a correct reader says of each."""

import plistlib
from collections.abc import Mapping

from ibackup.simulator.life.made_typedstream import MESSAGE_PART
from ibackup.simulator.life.messages_cases import MESSAGE_CASES
from ibackup.simulator.life.messages_db import MadeAttached, MadeMessages, MadeText, MadeThread

_PICTURE = MadeAttached(name="group.jpg", columns={"hide_attachment": 1})
HANDLES = {
    "ada": "+4915550000001/iMessage",
    "ada by SMS": "+4915550000001/SMS",
    "ada by mail": "ada@example.org/iMessage",
    "bob": "+4915550000002/iMessage",
    "clo": "+4915550000003/iMessage",
    "dan": "dan@example.org/iMessage",
    "dan's new number": "+4915550000004/iMessage",
    "eve": "+4915550000005/RCS",
    "parcel": "56249(smsfp)/SMS",
    "shop": "urn:biz:0a1b/iMessage",
    "formula": "=cmd()/SMS",
    "me": "+4915550000000/iMessage",
}
CARDS = (
    ("card 1", "Ada", ("+49 1555 0000001", "ada@example.org")),
    ("card 2", "Bob", ("+4915550000002",)),
    ("card 3", "Clo\u202e", ("+4915550000003",)),
    ("card 4", "Dan", ("dan@example.org", "+4915550000004")),
    ("card 5", "Bob", ("+4915550000005",)),
)
"""Contacts: id, name and addresses. Two people are called Bob."""


THREADS = (
    MadeThread(key="ada", handles=("ada",)),
    MadeThread(key="ada by SMS", handles=("ada by SMS",), service="SMS"),
    MadeThread(key="ada by mail", handles=("ada by mail",)),
    MadeThread(key="bob", handles=("bob",)),
    MadeThread(
        key="crew",
        handles=("ada", "bob", "clo"),
        group=True,
        name="Crew",
        columns={"properties": plistlib.dumps({"groupPhotoGuid": _PICTURE.guid}, fmt=plistlib.FMT_BINARY)},
    ),
    MadeThread(key="other crew", handles=("ada", "bob", "clo"), group=True, name="Other Crew"),
    MadeThread(key="nameless", handles=("ada", "bob"), group=True),
    MadeThread(key="nameless by SMS", handles=("ada by SMS", "bob"), group=True, service="SMS"),
    MadeThread(key="alone", group=True),
    MadeThread(key="myself", handles=("me",)),
    MadeThread(key="dan", handles=("dan",), lookup=(("dan-and-number", "iMessage"),)),
    MadeThread(
        key="dan's new number",
        handles=("dan's new number",),
        lookup=(("dan-and-number", "SMS"),),
        service="SMS",
    ),
    MadeThread(key="eve", handles=("eve",), service="RCS", columns={"is_filtered": 1}),
    MadeThread(key="parcel", handles=("parcel",), service="SMS", columns={"is_filtered": 36}),
    MadeThread(key="shop", handles=("shop",)),
    MadeThread(
        key="formula", handles=("formula",), service="SMS", columns={"is_filtered": 2, "is_archived": 1}
    ),
    MadeThread(key="empty", handles=("clo",)),
    MadeThread(key="gone", handles=("clo",), group=True, name="Gone", since=16),
)

_THREAD_CASES = (
    # -- other threads ------------------------------------------------------------------------------------------
    MadeText(case="by SMS", text="by SMS", threads=("ada by SMS",), sender="ada by SMS", columns={"service": "SMS"},
             says={"sender": "Ada", "service": "SMS"}),
    MadeText(case="by mail", text="by mail", threads=("ada by mail",), sender="ada by mail", says={"sender": "Ada"}),
    MadeText(case="to bob", text="Hi Bob", threads=("bob",)),
    MadeText(case="handle row gone", text="who am I", threads=("bob",), sender="nobody", columns={"handle_id": 999},
             says={"sender": "Bob"}),
    MadeText(case="renamed", threads=("crew",), sender="bob", columns={"item_type": 2, "group_title": "The Crew"},
             says={"event": "Bob named the conversation “The Crew”"}),
    MadeText(case="renamed again", threads=("crew",), columns={"item_type": 2, "group_title": "Crew"},
             says={"event": "You named the conversation “Crew”"}),
    MadeText(case="added", threads=("crew",), sender="ada", other="clo",
             columns={"item_type": 1, "group_action_type": 0},
             says={"event": "Ada added Clo\u202e to the conversation"}),
    MadeText(case="removed", threads=("crew",), other="dan", columns={"item_type": 1, "group_action_type": 1},
             says={"event": "You removed Dan from the conversation"}),
    MadeText(case="number changed", threads=("crew",), sender="bob", other="bob",
             columns={"item_type": 1, "group_action_type": 0}, says={"event": "Bob changed their phone number"}),
    MadeText(case="left", threads=("crew",), sender="dan", columns={"item_type": 3, "group_action_type": 0},
             says={"event": "Dan left the conversation"}),
    MadeText(case="picture", threads=("crew",), sender="ada", files=(_PICTURE,),
             columns={"item_type": 3, "group_action_type": 1}, says={"event": "Ada changed the group photo"}),
    MadeText(case="no picture", threads=("crew",), columns={"item_type": 3, "group_action_type": 2},
             says={"event": "You removed the group photo"}),
    MadeText(case="background", threads=("crew",), sender="ada", columns={"item_type": 3, "group_action_type": 4},
             says={"event": "Ada changed the background"}),
    MadeText(case="location", threads=("crew",), sender="ada", columns={"item_type": 4},
             says={"event": "Ada started sharing a location"}),
    MadeText(case="no location", threads=("crew",), sender="ada", columns={"item_type": 4, "share_status": 1},
             says={"event": "Ada stopped sharing a location"}),
    MadeText(case="kept audio", threads=("crew",), sender="ada", columns={"item_type": 5},
             says={"event": "Ada kept an audio message"}),
    MadeText(case="event of the future", threads=("crew",), sender="ada",
             columns={"item_type": 42, "group_action_type": 7}, says={"event": "Ada: event 42/7"}),
    MadeText(case="in two chats", text="both", threads=("crew", "other crew"), sender="clo",
             says={"sender": "Clo\u202e"}),
    MadeText(case="nameless", text="Group!", threads=("nameless",), sender="ada"),
    MadeText(case="nameless by SMS", text="Group by SMS!", threads=("nameless by SMS",), sender="ada by SMS"),
    MadeText(case="alone", text="Anyone?", threads=("alone",)),
    MadeText(case="before they left", text="Bye", threads=("alone",), sender="bob"),
    MadeText(case="note to myself", text="Milk", threads=("myself",)),
    MadeText(case="dan", text="by mail", threads=("dan",), sender="dan"),
    MadeText(case="dan by number", text="by number", threads=("dan's new number",), sender="dan's new number"),
    MadeText(case="rcs", text="Hello", threads=("eve",), sender="eve", columns={"service": "RCS"},
             says={"service": "RCS", "sender": "Bob"}),
    MadeText(case="parcel", text="Your parcel", threads=("parcel",), sender="parcel",
             columns={"service": "SMS", "filter_action": 4}, says={"sender": "56249"}),
    MadeText(case="junk", text="Win", threads=("formula",), sender="formula", since=13, columns={"is_spam": 1},
             says={"filtered": "junk", "sender": "=cmd()"}),
    MadeText(case="no spam column", text="Win", threads=("formula",), sender="formula"),
    MadeText(case="shop", text="How can we help?", threads=("shop",), sender="shop"),
    # -- no thread, deleted -------------------------------------------------------------------------------------
    MadeText(case="in no chat", text="lost and found", threads=(), sender="clo", says={"sender": "Clo\u202e"}),
    MadeText(case="mine in no chat", text="sent into the void", threads=()),
    MadeText(case="nobody's in no chat", text="who?", threads=(), sender="x", columns={"handle_id": 998},
             says={"sender": "Unknown sender"}),
    MadeText(case="recently deleted", text="regretted", since=16, deleted=True,
             says={"is_deleted": True, "text": "regretted"}),
    MadeText(case="recently deleted chat", text="all of it", threads=("gone",), since=16, deleted=True, sender="clo",
             says={"is_deleted": True}),
    MadeText(case="a part deleted", pieces=[("kept", {MESSAGE_PART: 0})], since=16, deleted_parts={1: "deleted part"},
             says={"text": "kept", "deleted_parts": ("deleted part",), "is_deleted": False}),
)  # fmt: skip

CONVERSATIONS: tuple[tuple[str, Mapping[str, object]], ...] = (
    (
        "Ada",
        {
            "kind": "direct",
            "participants": ("Ada",),
            "services": ("iMessage", "SMS", "iMessageLite"),
            "guids": ("iMessage;-;+4915550000001", "SMS;-;+4915550000001", "iMessage;-;ada@example.org"),
        },
    ),
    ("Crew", {"kind": "group", "group_name": "Crew", "former": ("Dan",), "picture": "group.jpg"}),
    ("Other Crew", {"messages": 1}),
    ("Ada and Bob", {"kind": "group", "messages": 2}),
    ("Bob", {"kind": "direct", "services": ("iMessage",), "messages": 2}),
    ("Bob", {"services": ("RCS",), "filtered": "unknown sender"}),
    ("Dan", {"messages": 2}),
    ("56249", {"filtered": "promotion or transaction"}),
    ("=cmd()", {"filtered": "spam", "archived": True}),
    ("+4915550000000", {"messages": 1}),
    ("urn:biz:0a1b", {"messages": 1}),
    ("Clo\u202e (not in any chat)", {"kind": "unfiled", "messages": 1}),
    ("Sent (not in any chat)", {"messages": 1}),
    ("Unknown sender (not in any chat)", {"messages": 1}),
)

MADE_MESSAGES = MadeMessages(
    handles=HANDLES,
    threads=THREADS,
    texts=(*MESSAGE_CASES, *_THREAD_CASES),
    persons={"dan": "P1", "dan's new number": "P1"},
    conversations=CONVERSATIONS,
)
