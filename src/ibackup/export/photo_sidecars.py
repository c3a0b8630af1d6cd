"""What is beside an exported picture: everything that the library knows of it, as JSON, and as XMP for importers."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from ibackup.contents.photos.photo_asset import PhotoAsset

_CONTROL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF])


def sidecar_json(asset: PhotoAsset, files: dict[str, object], albums: Iterable[str]) -> str:
    """The JSON of a picture.

    Args:
        asset: the picture.
        files: what was exported of it, by what it is, with names beside the JSON.
        albums: the paths of the albums it is in.
    """
    place = None
    if asset.latitude is not None and asset.longitude is not None:
        place = {"latitude": asset.latitude, "longitude": asset.longitude}
    members = {
        "id": asset.id,
        "kind": asset.kind,
        "style": asset.style or None,
        "original_name": asset.original_name,
        "path_on_phone": asset.path or None,
        "file_type": asset.file_type or None,
        "holds": str(asset.holds),
        "files": files,
        "taken": _time(asset.taken),
        "time_zone": asset.zone or None,
        "added": _time(asset.added),
        "edited_at": _time(asset.edited_at),
        "place": place,
        "width": asset.width or None,
        "height": asset.height or None,
        "duration_s": asset.duration_s or None,
        "live_photo": asset.live or None,
        "edited": asset.edited,
        "favorite": asset.favorite,
        "hidden": asset.hidden,
        "recently_deleted": asset.trashed,
        "recently_deleted_at": _time(asset.trashed_at),
        "burst": asset.burst or None,
        "burst_pick": asset.burst_pick,
        "source": str(asset.source),
        "title": asset.title or None,
        "caption": asset.caption or None,
        "people": list(asset.people),
        "albums": list(albums),
    }
    return json.dumps(members, ensure_ascii=False, indent=2) + "\n"


def sidecar_xmp(asset: PhotoAsset) -> str:
    """The XMP of a picture, as Immich and other importers read it: time, place, title, caption, people, favorite."""
    attributes = []
    if asset.taken is not None:
        attributes.append(("exif:DateTimeOriginal", asset.taken.isoformat()))
        attributes.append(("photoshop:DateCreated", asset.taken.isoformat()))
    if asset.latitude is not None and asset.longitude is not None:
        attributes.append(("exif:GPSLatitude", _degrees(asset.latitude, "NS")))
        attributes.append(("exif:GPSLongitude", _degrees(asset.longitude, "EW")))
    if asset.favorite:
        attributes.append(("xmp:Rating", "5"))
    lists = [
        ("dc:title", "rdf:Alt", [asset.title] if asset.title else []),
        ("dc:description", "rdf:Alt", [asset.caption] if asset.caption else []),
        ("digiKam:TagsList", "rdf:Seq", [f"People/{name.replace('/', '_')}" for name in asset.people]),
    ]
    said = "".join(f'\n    {name}="{_escaped(value)}"' for name, value in attributes)
    inner = "".join(_list(name, kind, values) for name, kind, values in lists if values)
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
        '  <rdf:Description rdf:about=""\n    xmlns:dc="http://purl.org/dc/elements/1.1/"\n'
        '    xmlns:exif="http://ns.adobe.com/exif/1.0/"\n    xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n'
        '    xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"\n'
        f'    xmlns:digiKam="http://www.digikam.org/ns/1.0/"{said}>\n{inner}'
        '  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>\n'
    )


def _list(name: str, kind: str, values: list[str]) -> str:
    language = ' xml:lang="x-default"' if kind == "rdf:Alt" else ""
    items = "".join(f"<rdf:li{language}>{_escaped(value)}</rdf:li>" for value in values)
    return f"   <{name}><{kind}>{items}</{kind}></{name}>\n"


def _degrees(value: float, names: str) -> str:
    """Degrees and minutes, as XMP writes them: 27,43.032000N."""
    whole, part = divmod(abs(value), 1)
    return f"{int(whole)},{part * 60:.6f}{names[value < 0]}"


def _escaped(text: str) -> str:
    """Text for XML; characters that XML does not allow are left out."""
    return escape(text.translate(_CONTROL), {'"': "&quot;"})


def _time(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    offset = moment.utcoffset()
    return moment.isoformat() if offset else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
