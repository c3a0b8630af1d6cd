"""The messages that readers get wrong, with what a correct one says of each.

Names of fields are those of `ibackup.contents.messages`; a field that a case does not name is not judged. Reactions
are pairs of what is shown and who reacted, edits are texts, attachments are names.
"""

import base64
import json

from ibackup.simulator.life.made_archive import OfClass, Url, keyed_archive
from ibackup.simulator.life.made_typedstream import MESSAGE_PART, message_body
from ibackup.simulator.life.messages_db import (
    FILE_PART,
    PLACE,
    TEXTED,
    MadeAttached,
    MadeText,
    made_guid,
    nanoseconds,
)


def _poll(**item: object) -> bytes:
    packed = base64.urlsafe_b64encode(json.dumps({"item": item, "version": 1}).encode()).decode().rstrip("=")
    return keyed_archive({"an": "Polls", "URL": Url(f"data:,{packed}"), "ldtext": "Sent a poll"})


def _vote(handle: str, *choices: str) -> bytes:
    votes = [{"participantHandle": handle, "voteOptionIdentifier": choice} for choice in choices]
    return _poll(votes=votes)


def _app(**fields: object) -> bytes:
    return keyed_archive(fields)


_OPTIONS = [
    {"optionIdentifier": key, "text": key.upper(), "creatorHandle": "+4915550000001"} for key in ("x", "y")
]
_POLLS = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:com.apple.messages.Polls"
_PREFIX = "com.apple.messages.MSMessageExtensionBalloonPlugin:0000000000:"
_LINK = "com.apple.messages.URLBalloonProvider"
_PHOTO = MadeAttached(name="IMG_1.HEIC", columns={"mime_type": "image/heic", "uti": "public.heic"})


def _reacts(
    case: str,
    kind: int,
    target: str,
    *,
    at: str = "p:0/",
    sender: str = "ada",
    since: int = 12,
    **columns: object,
) -> MadeText:
    row = {"associated_message_type": kind, **columns}
    return MadeText(case=case, sender=sender, answers=(at, target), since=since, columns=row, says=None)


MESSAGE_CASES = (
    # -- text ---------------------------------------------------------------------------------------------------
    MadeText(
        case="plain",
        text="See you at the station at seven.",
        sender="ada",
        columns={"date_read": nanoseconds(TEXTED + 30)},
        says={
            "text": "See you at the station at seven.", "sender": "Ada", "from_me": False, "service": "iMessage",
            "time": "2024-03-01T10:00:00Z", "read": "2024-03-01T10:00:30Z", "own_address": "+4915550000",
            "flaws": (), "reactions": (("❓", "Ada"), ("👍", "Me"), ("❤️", "Bob")),
        },
    ),
    MadeText(
        case="text only in its column", columns={"text": "Old style"}, says={"text": "Old style", "sender": "Me"}
    ),
    MadeText(
        case="stale text", text="current", columns={"text": "stale"}, says={"text": "current"}
    ),
    MadeText(case="nothing at all", says={"text": "", "flaws": ()}),
    MadeText(
        case="truncated body",
        columns={"attributedBody": message_body("I will be there").partition(b" there")[0]},
        says={"text": "I will be", "flaws": ("its text cannot be decoded to its end: it ends within its text",)},
    ),
    MadeText(
        case="body of another kind",
        columns={"attributedBody": b"\x00\x01\x02", "text": "in the column"},
        says={"text": "in the column", "flaws": ("its text cannot be decoded: it is not a typedstream",)},
    ),
    MadeText(
        case="looks beyond the basic plane",
        pieces=[
            ("🅱️", {MESSAGE_PART: 0}),
            ("bold", {"__kIMTextBoldAttributeName": 1, MESSAGE_PART: 0}),
            (" 👋 ", {MESSAGE_PART: 0}),
            ("shake", {"__kIMTextEffectAttributeName": 9, MESSAGE_PART: 0}),
        ],
        says={
            "text": "🅱️bold 👋 shake",
            "pieces": (("🅱️", ()), ("bold", ("bold",)), (" 👋 ", ()), ("shake", ("shake",))),
        },
    ),
    MadeText(
        case="mention and link",
        pieces=[
            ("Ask ", {MESSAGE_PART: 0}),
            ("Bob", {"__kIMMentionConfirmedMention": "+4915550000002", MESSAGE_PART: 0}),
            (" https://a.example", {"__kIMLinkAttributeName": "https://a.example", MESSAGE_PART: 0}),
        ],
        says={"text": "Ask Bob https://a.example", "mentions": ("+4915550000002",), "links": ("https://a.example",)},
    ),
    MadeText(
        case="right to left and control characters",
        text="שלום \u202eabc\u202c e\u0301 👨\u200d👩\u200d👧\u200d👦",
        says={"text": "שלום \u202eabc\u202c e\u0301 👨\u200d👩\u200d👧\u200d👦"},
    ),
    MadeText(
        case="markup and NUL",
        text='<script>alert("1")</script> ]]> =cmd\r\nnext\0line',
        says={"text": '<script>alert("1")</script> ]]> =cmd\nnext\ufffdline'},
    ),
    # -- times --------------------------------------------------------------------------------------------------
    MadeText(
        case="seconds beside nanoseconds",
        text="old phone",
        columns={"date": 500_000_000},
        says={"time": "2016-11-05T00:53:20Z"},
    ),
    MadeText(case="time 0", text="when?", columns={"date": 0}, says={"time": None}),
    MadeText(case="time NULL", text="when??", columns={"date": None}, says={"time": None}),
    MadeText(case="time as text", text="soon", columns={"date": "soon"}, says={"time": None}),
    MadeText(
        case="before 2001", text="1970", columns={"date": -978_220_800}, says={"time": "1970-01-02T00:00:00Z"}
    ),
    MadeText(
        case="year 4001", text="4001", columns={"date": 63_113_904_000}, says={"time": "4001-01-01T00:00:00Z"}
    ),
    # -- reactions ----------------------------------------------------------------------------------------------
    _reacts("love taken back", 2000, "plain"),
    _reacts("love no more", 3000, "plain"),
    _reacts("question stays", 2005, "plain"),
    _reacts("like from me", 2001, "plain", sender=""),
    _reacts("laugh replaced", 2003, "plain", sender="bob"),
    _reacts("by love", 2000, "plain", sender="bob"),
    MadeText(
        case="two parts",
        pieces=[("one\n", {MESSAGE_PART: 0}), ("two", {MESSAGE_PART: 1})],
        says={"reactions": (("👍", "Ada"),), "reaction_parts": (1,)},
    ),
    _reacts("like of part 1", 2001, "two parts", at="p:1/"),
    MadeText(
        case="emoji reactions", text="cake", since=18, says={"reactions": (("🧁", "Ada"), ("", "Bob"))}
    ),
    _reacts("cupcake", 2006, "emoji reactions", since=18, associated_message_emoji="🧁"),
    _reacts("rocket", 2006, "emoji reactions", since=18, sender="clo", associated_message_emoji="🚀"),
    _reacts("no rocket", 3006, "emoji reactions", since=18, sender="clo", associated_message_emoji="🚀"),
    MadeText(
        case="sticker reaction",
        sender="bob",
        since=18,
        answers=("p:0/", "emoji reactions"),
        columns={"associated_message_type": 2007},
        files=(MadeAttached(name="sticker.heic", columns={"is_sticker": 1}),),
        says=None,
    ),
    MadeText(
        case="reaction to what is gone",
        sender="ada",
        answers=("p:0/", "never there"),
        columns={"associated_message_type": 2003},
        says={"text": "", "reaction": ("😂", "Ada")},
    ),
    # -- edits --------------------------------------------------------------------------------------------------
    MadeText(
        case="edited three times",
        text="fourth",
        since=16,
        edits={0: [("first", 0), ("second", 10), ("third", 20), ("fourth", 30)]},
        columns={"date_edited": nanoseconds(TEXTED + 30)},
        says={"text": "fourth", "edits": ("first", "second", "third"), "edited": True, "unsent": ()},
    ),
    MadeText(
        case="edited without a body",
        since=16,
        edits={0: [("Frist", 0), ("First", 10)]},
        says={"text": "First", "edits": ("Frist",), "edited": True},
    ),
    MadeText(
        case="ten parts edited",
        text="x",
        since=16,
        edits={part: [(f"a{part}", part), (f"b{part}", part)] for part in (10, 2)},
        says={"edits": ("a2", "a10")},
    ),
    MadeText(
        case="edited, then unsent",
        since=16,
        unsent=(0,),
        columns={"date_edited": nanoseconds(TEXTED), "date_retracted": nanoseconds(TEXTED)},
        says={"text": "", "all_unsent": True, "unsent": (0,), "edited": False},
    ),
    MadeText(
        case="one part of three unsent",
        pieces=[("one\n", {MESSAGE_PART: 0}), ("three", {MESSAGE_PART: 2})],
        since=16,
        unsent=(1,),
        says={"text": "one\nthree", "all_unsent": False, "unsent": (1,)},
    ),
    MadeText(
        case="summary of another kind",
        text="still here",
        columns={"message_summary_info": b"bplist00 no"},
        says={"text": "still here", "flaw_count": 1},
    ),
    # -- attachments --------------------------------------------------------------------------------------------
    MadeText(
        case="photo in a text",
        pieces=[(PLACE, {FILE_PART: _PHOTO.guid, MESSAGE_PART: 0}), ("the boat", {MESSAGE_PART: 1})],
        files=(_PHOTO,),
        says={
            "text": "the boat", "attachments": ("IMG_1.HEIC",), "present": (True,),
            "pieces": ((f"<{_PHOTO.guid}>", ()), ("the boat", ())), "loose_attachments": (),
        },
    ),
    MadeText(
        case="missing files",
        text=PLACE * 3,
        sender="ada",
        files=(
            MadeAttached(name="offloaded.jpg", present=False),
            MadeAttached(name="no name.jpg", filename=None, present=False),
            MadeAttached(name="temporary.jpg", filename="/var/tmp/x/temporary.jpg", present=False),  # noqa: S108
        ),
        says={
            "text": "",
            "present": (False, False, False),
            "absent": (
                "it is not in this backup",
                "the database no longer says which file it is",
                "the phone never saved it",
            ),
        },
    ),
    MadeText(
        case="a folder", files=(MadeAttached(name="notes.rtfd", folder=True),), says={"attachments": ("notes.rtfd",)}
    ),
    MadeText(
        case="hostile names",
        files=(
            MadeAttached(name="../../evil.sh", filename="~/../../evil.sh", present=False),
            MadeAttached(name="a:b.jpg"),
            MadeAttached(name="x" * 300 + ".jpg", present=False),
        ),
        says={"attachments": ("../../evil.sh", "a:b.jpg", "x" * 300 + ".jpg"), "present": (False, True, False)},
    ),
    MadeText(
        case="voice message",
        pieces=[
            (PLACE, {FILE_PART: made_guid("file Audio.caf"), "IMAudioTranscription": "I am late.", MESSAGE_PART: 0})
        ],
        sender="ada",
        files=(MadeAttached(name="Audio.caf", columns={"mime_type": "audio/x-caf"}),),
        columns={"is_audio_message": 1, "date_played": nanoseconds(TEXTED + 7200)},
        says={"voice": True, "transcripts": ("I am late.",), "played": "2024-03-01T12:00:00Z"},
    ),
    MadeText(
        case="made emoji",
        pieces=[("Look ", {MESSAGE_PART: 0}),
                (PLACE, {FILE_PART: made_guid("file genmoji.heic"), "__kIMEmojiImageAttributeName": 1})],
        since=18,
        files=(
            MadeAttached(
                name="genmoji.heic", columns={"is_sticker": 1, "emoji_image_short_description": "pink poodle"}
            ),
        ),
        says={"text": "Look ", "descriptions": ("pink poodle",)},
    ),
    # -- replies, effects, states -------------------------------------------------------------------------------
    MadeText(
        case="reply to a part",
        text="Yes, two",
        since=14,
        replies="two parts",
        columns={"thread_originator_part": "1:0:3"},
        says={"reply_to": ("two parts", 1)},
    ),
    MadeText(case="reply to what is gone", text="?", since=14, replies="gone", says={"reply_to": ("gone", 0)}),
    MadeText(
        case="effect",
        text="Hurray",
        columns={"expressive_send_style_id": "com.apple.messages.effect.CKConfettiEffect"},
        says={"effect": "confetti"},
    ),
    MadeText(
        case="not sent yet",
        text="Happy birthday",
        since=18,
        columns={"schedule_type": 2, "schedule_state": 2, "is_sent": 0},
        says={"scheduled": True},
    ),
    MadeText(case="failed", text="lost", columns={"error": 22, "is_sent": 0}, says={"failed": True}),
    MadeText(
        case="satellite", text="from the hut", columns={"service": "iMessageLite"}, says={"service": "iMessageLite"}
    ),
    # -- apps ---------------------------------------------------------------------------------------------------
    MadeText(
        case="poll",
        text="\ufffd",
        sender="ada",
        columns={"balloon_bundle_id": _POLLS, "payload_data": _poll(title="When?", orderedPollOptions=_OPTIONS)},
        says={
            "text": "", "app": "Polls", "app_title": "When?",
            "options": (("X", ("Bob",)), ("Y", ("Ada", "Me")), ("Z", ())),
        },
    ),
    _reacts("vote x", 4000, "poll", at="", sender="ada", balloon_bundle_id=_POLLS,
            payload_data=_vote("+4915550000001", "x")),
    _reacts("vote of bob", 4000, "poll", at="", sender="bob", balloon_bundle_id=_POLLS,
            payload_data=_vote("+4915550000002", "x")),
    _reacts("vote y instead", 4000, "poll", at="", sender="ada", balloon_bundle_id=_POLLS,
            payload_data=_vote("+4915550000001", "y")),
    _reacts("my vote", 4000, "poll", at="", sender="", balloon_bundle_id=_POLLS,
            payload_data=_vote("+4915550000000", "y")),
    _reacts("one more choice", 3, "poll", at="", sender="ada", balloon_bundle_id=_POLLS,
            payload_data=_poll(title="When?", orderedPollOptions=[*_OPTIONS, {"optionIdentifier": "z", "text": "Z"}])),
    MadeText(
        case="link preview",
        pieces=[("https://a.example/x", {MESSAGE_PART: 0, "__kIMLinkAttributeName": "https://a.example/x"})],
        columns={
            "balloon_bundle_id": _LINK,
            "payload_data": keyed_archive({
                "richLinkIsPlaceholder": False,
                "richLinkMetadata": OfClass("LPLinkMetadata", {
                    "title": "A page", "summary": "About it", "siteName": "Example",
                    "URL": Url("https://a.example/x"), "originalURL": Url("https://a.example/x"),
                }),
            }),
        },
        says={
            "text": "https://a.example/x", "app": "Link", "app_title": "A page",
            "app_lines": ("About it", "Example"), "app_link": "https://a.example/x",
        },
    ),
    MadeText(
        case="check in",
        columns={
            "balloon_bundle_id": _PREFIX + "com.apple.SafetyMonitorApp.SafetyMonitorMessages",
            "payload_data": _app(
                an="Check In", ldtext="Check In: Timer Started", URL=Url("?messageType=1"),
                userInfo={"caption": "Check In: Timer Started", "subcaption": "Until 9", "image-title": ""},
            ),
        },
        says={"app": "Check In", "app_title": "Check In: Timer Started", "app_lines": ("Until 9",), "app_link": ""},
    ),
    MadeText(
        case="money",
        columns={
            "balloon_bundle_id": _PREFIX + "com.apple.PassbookUIService.PeerPaymentMessagesExtension",
            "payload_data": _app(an="Cash", ldtext="$5.00 Payment"),
        },
        says={"app": "Apple Cash", "app_title": "$5.00 Payment"},
    ),
    MadeText(
        case="unknown app",
        columns={
            "balloon_bundle_id": _PREFIX + "com.example.game",
            "payload_data": _app(an="Game", URL=Url("https://game.example/1"), userInfo={"caption": "Your turn"}),
        },
        says={"app": "Game", "app_lines": ("Your turn",), "app_link": "https://game.example/1"},
    ),
    MadeText(
        case="app without payload",
        columns={"balloon_bundle_id": _PREFIX + "com.example.other"},
        says={"app": "com.example.other"},
    ),
    MadeText(
        case="digital touch",
        columns={"balloon_bundle_id": "com.apple.DigitalTouchBalloonProvider", "payload_data": b"\x08\x01"},
        says={"app": "Digital Touch", "flaws": ()},
    ),
    MadeText(
        case="damaged payload",
        columns={"balloon_bundle_id": _LINK, "payload_data": b"bplist00\0"},
        says={"app": "Link", "flaw_count": 1},
    ),
)  # fmt: skip
