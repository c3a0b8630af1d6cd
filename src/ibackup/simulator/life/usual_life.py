"""An ordinary life: what the owner of the demo phone has in each app, a little of everything.

All of it follows from the seed, and its times from the time of the phone's content.
"""

import random
from collections.abc import Iterator

from ibackup.simulator.jpeg import mosaic
from ibackup.simulator.life import usual_papers
from ibackup.simulator.life.calls_db import MadeCall
from ibackup.simulator.life.contacts_db import HOME, MAIL, MOBILE, PHONE, MadeContact, MadeValue
from ibackup.simulator.life.health_db import HEART, SLEEP, STEPS, WATCH, WEIGHT, MadeSample
from ibackup.simulator.life.made_database import stamp
from ibackup.simulator.life.made_life import MadeLife
from ibackup.simulator.life.made_typedstream import MESSAGE_PART
from ibackup.simulator.life.messages_db import (
    FILE_PART,
    PLACE,
    TEXTED,
    MadeAttached,
    MadeMessages,
    MadeText,
    MadeThread,
)
from ibackup.simulator.life.photos_db import MadeAlbum, MadeAsset
from ibackup.simulator.life.whatsapp_db import MadeChat, MadeChatMessage, MadeMedia, MadeWhatsApp
from ibackup.simulator.spec import PhoneSpec

_DAY = 86_400
_PEOPLE = (
    ("Grace", "Hopper", "+15550100001", "grace@example.org"),
    ("Ægir", "Jónsson", "+3545550002", "aegir@example.org"),
    ("花子", "山田", "+81355500003", "hanako@example.org"),
    ("Alan", "Turing", "+441632960004", "alan@example.org"),
    ("Zoë", "Müller", "+4930555000005", "zoe@example.org"),
)
_SENTENCES = (
    "See you at the station at seven.",
    "Did you get home all right?",
    "The tickets are in my mail.",
    "Can you bring the blue folder?",
    "Schöne Grüße aus Köln ☀️",
    "明日の会議は十時からです。",
    "I will call you tonight.",
    "Look what the cat did to the sofa 😹",
)
CHATTED = 24
"""Messages in conversations with one person, before the phone is used."""
PHOTOS = 18
CALLS = 12
_GARDEN = "the garden"
_DELETED_PHOTO = 5
_CAMERA = "DCIM/100APPLE"


def usual_life(spec: PhoneSpec, uses: int = 0) -> MadeLife:
    """The life after the phone was used that many times.

    Each use brings three messages; the first also deletes a message and a photo.
    """
    return MadeLife(
        messages=_messages(spec, uses),
        contacts=tuple(_contacts(spec)),
        calls=tuple(_calls(spec)),
        events=usual_papers.events(spec.made_at),
        reminders=usual_papers.reminders(spec.made_at),
        memos=usual_papers.memos(spec.made_at),
        voicemails=usual_papers.voicemails(spec.made_at, _PEOPLE[0][2]),
        assets=tuple(
            asset for number, asset in enumerate(_photos(spec)) if not uses or number != _DELETED_PHOTO
        ),
        albums=(
            MadeAlbum(pk=1, title=None, kind=3999, parent=None),
            MadeAlbum(pk=2, title="Garden", members=(3, 1, 9)),
            MadeAlbum(pk=3, title="Trips", kind=4000),
            MadeAlbum(pk=4, title="Iceland", parent=3, members=(11, 12)),
        ),
        notes=usual_papers.notes(spec.made_at),
        folders=usual_papers.FOLDERS,
        whatsapp=_whatsapp(spec.made_at),
        samples=tuple(_samples(spec)),
        bookmarks=usual_papers.bookmarks(spec.made_at),
        visits=usual_papers.visits(spec.made_at),
    )


def _messages(spec: PhoneSpec, uses: int) -> MadeMessages:
    handles = {first: f"{number}/iMessage" for first, _, number, _ in _PEOPLE}
    names = tuple(handles)
    threads = [MadeThread(key=name, handles=(name,)) for name in names]
    threads.append(
        MadeThread(key=_GARDEN, handles=(names[0], names[3], names[4]), group=True, name="Garden party")
    )
    rng = random.Random(f"{spec.seed} messages")
    texts = []
    for row in range(1, CHATTED + 3 * uses + 1):
        when = spec.made_at - 30 * _DAY + row * 70_000
        if row > CHATTED:
            when = spec.made_at + (row - CHATTED + 2) // 3 * _DAY + row
        who, mine, text = rng.choice(names), rng.random() < 0.5, rng.choice(_SENTENCES)
        case = f"{spec.seed} message {row}"
        texts.append(
            MadeText(case=case, text=text, threads=(who,), sender="" if mine else who, at=when - TEXTED)
        )
    if uses:
        del texts[CHATTED // 2]
    return MadeMessages(handles=handles, threads=tuple(threads), texts=(*texts, *_party(spec)))


def _party(spec: PhoneSpec) -> Iterator[MadeText]:
    """A conversation of a group: with a picture, a reaction, a reply, a correction, and an unsent message."""
    grace, alan, zoe = _PEOPLE[0][0], _PEOPLE[3][0], _PEOPLE[4][0]
    picture = MadeAttached(name="pear tree.jpg", content=mosaic(f"{spec.seed} pear tree")[0])
    start = spec.made_at - 3 * _DAY - TEXTED

    def said(number: int, sender: str, text: str | None = None, **more: object) -> MadeText:
        whole: dict[str, object] = {"case": f"{spec.seed} party {number}", "sender": sender, "text": text}
        return MadeText(**whole, threads=(_GARDEN,), at=start + 60 * number, **more)  # type: ignore[arg-type]

    first = f"{spec.seed} party 1"
    yield said(1, grace, "The bench is under the pear tree on Saturday. Who brings cake?")
    yield said(
        2,
        zoe,
        pieces=[
            (PLACE, {FILE_PART: picture.guid, MESSAGE_PART: 0}),
            ("It is in bloom!", {MESSAGE_PART: 1}),
        ],
        files=(picture,),
    )
    yield said(3, alan, answers=("p:0/", first), columns={"associated_message_type": 2001})
    yield said(4, "", "I do: one with plums", replies=first, columns={"thread_originator_part": "0:0:61"})
    times = [("Half past tree", 300), ("Half past three", 330)]
    edits = {0: [(text, start + when) for text, when in times]}
    yield said(5, alan, "Half past three", since=16, edits=edits)
    yield said(6, "", since=16, unsent=(0,))


def _contacts(spec: PhoneSpec) -> Iterator[MadeContact]:
    when = stamp(spec.made_at - 400 * _DAY)
    for number, (first, last, phone, mail) in enumerate(_PEOPLE):
        columns: dict[str, object] = {
            "First": first,
            "Last": last,
            "CreationDate": when,
            "ModificationDate": when,
        }
        if number == 3:
            columns |= {"Birthday": str(stamp(-1_817_078_400)), "Organization": "Bletchley Park"}
        values = (MadeValue(PHONE, MOBILE, phone), MadeValue(MAIL, HOME, mail))
        yield MadeContact(
            case=f"{spec.seed} person {number}",
            columns=columns,
            values=values,
            picture=mosaic(f"{spec.seed} face")[0] if not number else b"",
        )


def _calls(spec: PhoneSpec) -> Iterator[MadeCall]:
    rng = random.Random(f"{spec.seed} calls")
    for number in range(CALLS):
        answered = rng.random() < 0.8
        columns = {
            "ZADDRESS": rng.choice(_PEOPLE)[2],
            "ZDATE": stamp(spec.made_at - 14 * _DAY + number * 90_000),
            "ZDURATION": float(rng.randrange(20, 1800)) if answered else 0.0,
            "ZANSWERED": int(answered),
            "ZORIGINATED": int(rng.random() < 0.5),
        }
        yield MadeCall(case=f"{spec.seed} call {number}", columns=columns)


def _photos(spec: PhoneSpec) -> Iterator[MadeAsset]:
    """Pictures that weigh as much as a camera's: behind the picture's end, JPEGs may have anything."""
    rng = random.Random(f"{spec.seed} photos")
    for number in range(PHOTOS):
        name = f"IMG_{number + 1:04d}.JPG"
        picture, width, height = mosaic(f"{spec.seed} {number}")
        taken = stamp(spec.made_at - (PHOTOS - number) * 9 * _DAY)
        columns: dict[str, object] = {
            "ZDATECREATED": taken,
            "ZADDEDDATE": taken + 2,
            "ZWIDTH": width,
            "ZHEIGHT": height,
            "ZFAVORITE": int(number == 2),
        }
        if number in (10, 11):
            columns |= {"ZLATITUDE": 64.147, "ZLONGITUDE": -21.943}
        yield MadeAsset(
            case=name,
            name=name,
            pk=number + 1,
            columns=columns,
            attributes={"ZTIMEZONEOFFSET": 7200, "ZTIMEZONENAME": "Europe/Berlin"},
            files=(f"{_CAMERA}/{name}",),
            content=picture + rng.randbytes(rng.randrange(100_000, 600_000)),
        )


def _whatsapp(made_at: int) -> MadeWhatsApp:
    first, last, phone, _ = _PEOPLE[4]
    jid = f"{phone.removeprefix('+')}@s.whatsapp.net"

    def at(minutes: int) -> dict[str, object]:
        when = stamp(made_at - 4 * _DAY + 60 * minutes)
        return {"ZMESSAGEDATE": when, "ZSENTDATE": when}

    messages = (
        MadeChatMessage(case="boat 1", text="The boat is in the water again", columns=at(0)),
        MadeChatMessage(
            case="boat 2",
            kind=1,
            media=MadeMedia(name="boat.jpg", mime="image/jpeg", title="There she is"),
            reactions=((None, "😍"),),
            columns=at(1),
        ),
        MadeChatMessage(case="boat 3", text="I come on Sunday", mine=True, columns=at(12)),
    )
    chat = MadeChat(jid=jid, name=f"{first} {last}", messages=messages)
    return MadeWhatsApp(chats=(chat,), contacts=((jid, f"{first} {last}"),))


def _samples(spec: PhoneSpec) -> Iterator[MadeSample]:
    """Two weeks of steps, sleep, pulse and weight."""
    rng = random.Random(f"{spec.seed} health")
    midnight = spec.made_at // _DAY * _DAY
    for days in range(14, 0, -1):
        day = midnight - days * _DAY
        yield MadeSample(kind=SLEEP, start=day - 3600, seconds=rng.randrange(6, 9) * 3600, value=1)
        yield MadeSample(kind=WEIGHT, start=day + 7 * 3600, seconds=0, quantity=70 + rng.randrange(20) / 10)
        for hour in (8, 12, 18):
            start = day + hour * 3600
            yield MadeSample(kind=STEPS, start=start, seconds=1800, quantity=rng.randrange(200, 4000))
            pulse = rng.randrange(60, 120) / 60
            yield MadeSample(kind=HEART, start=start, quantity=pulse, source=WATCH)
