"""Apple's side: what its System Status says, and which iOS is the newest for a model.

Apple documents neither feed; other readers do. Whatever looks unexpected becomes Unseen.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import resources
from typing import TypeVar

from ibackup.apple import plist_values
from ibackup.apple.plist_values import NOTHING, Values
from ibackup.doctor.evidence.phone_evidence import EventStatus, NewestIos, ServiceEvent, SystemStatus
from ibackup.doctor.evidence.sighting import EvidenceSource, Fact, Seen, Unseen
from ibackup.doctor.gather import web_feeds
from ibackup.doctor.gather.web_feeds import Feed, NotFetched

T = TypeVar("T")

_SECONDS = 5.0
_MOST_SERVICES, _MOST_EVENTS, _MOST_ASSETS = 1000, 2000, 5000
_STATUSES: tuple[EventStatus, ...] = ("ongoing", "upcoming", "resolved", "completed")
_VERSION = re.compile(r"\d{1,4}(?:\.\d{1,4}){0,3}")


def apple_root() -> str:
    """Apple Root CA as PEM: the chain of gdmf.apple.com ends in it, and only Apple's own systems ship it."""
    return resources.files(__package__).joinpath("apple_root_ca.pem").read_text("ascii")


STATUS = Feed(
    "system-status", "https://www.apple.com/support/systemstatus/data/system_status_en_US.js", 4 << 20
)
SOFA = Feed("sofa", "https://sofafeed.macadmins.io/v1/ios_data_feed.json", 32 << 20)
GDMF_URL = "https://gdmf.apple.com/v2/pmv"
OFFLINE = Unseen("nothing was asked of Apple (--offline)")


def gdmf() -> Feed:
    """Apple's own list of versions."""
    return Feed("gdmf", GDMF_URL, 16 << 20, apple_root())


@dataclass(frozen=True, slots=True)
class Feeds:
    """The addresses of Apple's feeds; tests use others.

    Attributes:
        status: System Status.
        versions: lists of versions, tried in this order, each with its name and its reader.
    """

    status: Feed
    versions: tuple[tuple[Feed, str, "Parser"], ...]


Parser = Callable[[bytes, str], NewestIos | None]


def default_feeds() -> Feeds:
    """Apple's own."""
    return Feeds(
        STATUS, ((gdmf(), "Apple's list of versions", parse_gdmf), (SOFA, "the SOFA feed", parse_sofa))
    )


def read_status(where: Feeds, folder: str) -> Fact[SystemStatus]:
    """What System Status says now. Never raises."""
    try:
        page = web_feeds.get(where.status, folder, seconds=_SECONDS)
        status = replace(parse_status(page.body), computer_ahead=page.ahead)
        return Seen(status, EvidenceSource("apple", page.fetched, "Apple's System Status"))
    except NotFetched as error:
        return Unseen(f"Apple's System Status: {error}")
    except ValueError:
        return Unseen("the format of Apple's System Status has changed")


def read_newest(where: Feeds, product_type: str | None, folder: str) -> Fact[NewestIos | None]:
    """The newest iOS for a model, from the first feed that knows. Never raises."""
    if product_type is None:
        return Unseen("the phone's model is not known")
    why = "no feed is known"
    for feed, label, parse in where.versions:
        try:
            page = web_feeds.get(feed, folder, seconds=_SECONDS)
            return Seen(parse(page.body, product_type), EvidenceSource("apple", page.fetched, label))
        except NotFetched as error:
            why = f"{label}: {error}"
        except ValueError:
            why = f"the format of {label} has changed"
    return Unseen(why)


def parse_status(body: bytes) -> SystemStatus:
    """System Status: JSON, sometimes wrapped in a call. Raises ValueError for any other format."""
    text = body.decode("utf-8", "replace")
    root = _json(text[text.find("{") : text.rfind("}") + 1])
    services = root.get("services")
    if not isinstance(services, list) or not services:
        raise ValueError("no services")
    names: list[str] = []
    events: list[ServiceEvent] = []
    for item in services[:_MOST_SERVICES]:
        service = plist_values.mapping(item) or NOTHING
        name = plist_values.shown(service, "serviceName")
        if name is None:
            continue
        names.append(name)
        listed = plist_values.sequence(service.get("events"))[:_MOST_EVENTS]
        events += [_event(name, plist_values.mapping(each) or NOTHING) for each in listed]
    if not names:
        raise ValueError("no names")
    return SystemStatus(tuple(names), tuple(events[:_MOST_EVENTS]))


def _event(service: str, event: Values) -> ServiceEvent:
    said = (plist_values.text(event, "eventStatus") or "").lower()
    status: EventStatus = next((each for each in _STATUSES if each == said), "other")
    return ServiceEvent(
        service=service,
        kind=plist_values.shown(event, "statusType") or "",
        status=status,
        started=_milliseconds(event, "epochStartDate"),
        ended=_milliseconds(event, "epochEndDate"),
    )


def parse_gdmf(body: bytes, product_type: str) -> NewestIos | None:
    """Apple's list of versions; None if it does not list the model. Raises ValueError for any other format."""
    root = _json(body.decode("utf-8", "replace"))
    assets = (
        plist_values.mapping(root.get("PublicAssetSets"))
        or plist_values.mapping(root.get("AssetSets"))
        or NOTHING
    )
    listed = plist_values.sequence(assets.get("iOS"))[:_MOST_ASSETS]
    if not listed:
        raise ValueError("no assets")
    return _newest((plist_values.mapping(each) or NOTHING for each in listed), product_type, "PostingDate")


def parse_sofa(body: bytes, product_type: str) -> NewestIos | None:
    """The SOFA feed; None if it does not list the model. Raises ValueError for any other format."""
    root = _json(body.decode("utf-8", "replace"))
    listed = plist_values.sequence(root.get("OSVersions"))[:_MOST_ASSETS]
    if not listed:
        raise ValueError("no versions")
    latest = (
        plist_values.mapping((plist_values.mapping(each) or NOTHING).get("Latest")) or NOTHING
        for each in listed
    )
    return _newest(latest, product_type, "ReleaseDate")


def version_key(version: str) -> tuple[int, ...]:
    """For comparing versions as numbers; empty when it is none."""
    return tuple(int(part) for part in version.split(".")) if _VERSION.fullmatch(version) else ()


def _newest(assets: Iterator[Values], product_type: str, posted: str) -> NewestIos | None:
    best: NewestIos | None = None
    for asset in assets:
        version = plist_values.text(asset, "ProductVersion") or ""
        if product_type not in plist_values.sequence(asset.get("SupportedDevices")) or not version_key(
            version
        ):
            continue
        if best is None or version_key(version) > version_key(best.version):
            best = NewestIos(version, plist_values.iso_time(plist_values.text(asset, posted) or ""))
    return best


def _json(text: str) -> Values:
    try:
        root = plist_values.mapping(json.loads(text))
    except RecursionError:
        raise ValueError("too deep") from None
    if root is None:
        raise ValueError("no object")
    return root


def _milliseconds(event: Values, key: str) -> datetime | None:
    value = event.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e14:
        return None
    return plist_values.plausible(datetime.fromtimestamp(value / 1000, UTC))
