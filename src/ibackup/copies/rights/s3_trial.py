"""Tries what this computer may do in a bucket: write over, remove, and remove the versions that the bucket keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ibackup.base.errors import IbackupError
from ibackup.copies.bucket_place import AMAZON, BucketPlace, region_in
from ibackup.copies.rights import own_object
from ibackup.copies.rights.copy_rights import RightsTrial, TriedAct
from ibackup.copies.rights.http_asking import HttpAnswer, ask
from ibackup.copies.rights.s3_signing import S3Keys, signed

_VERSION = "x-amz-version-id"
_REGION = "x-amz-bucket-region"


@dataclass
class _OwnObject:
    """The object in the bucket, and how it is reached."""

    url: str
    keys: S3Keys
    region: str

    def send(self, method: str, data: bytes = b"", version: str = "") -> HttpAnswer:
        query = {"versionId": version} if version else {}
        url, headers = signed(method, self.url, query, data, self.keys, self.region, datetime.now(UTC))
        return ask(method, url, data=data if method == "PUT" else None, headers=headers)


def try_on_s3(place: BucketPlace, keys: S3Keys, variables: Mapping[str, str]) -> RightsTrial:
    """Write an object of its own beside the data, write over it, remove it and its versions.

    Args:
        place: of the repository.
        keys: of this computer.
        variables: Amazon's, for the region.

    Raises:
        CopyMissing: the server does not answer.
        IbackupError: nothing can be written there.
    """
    path = place.object_path(f"{own_object.FOLDER}/{own_object.NAME}")
    region = region_in(variables)
    own = _OwnObject(f"{place.endpoint}{path}", keys, region)
    first = own.send("PUT", own_object.CONTENT)
    if not first.is_done and (elsewhere := first.headers.get(_REGION, region)) != region:
        own.region = elsewhere
        if place.host == f"s3.{AMAZON}":
            own.url = f"https://s3.{elsewhere}.{AMAZON}{path}"
        first = own.send("PUT", own_object.CONTENT)
    if not first.is_done:
        raise IbackupError(
            f"Nothing can be written to the bucket {place.name}: the server answered {first.status}.",
            hint="Check the keys in `key_file`, and what they may do.",
        )
    second = own.send("PUT", own_object.OTHER_CONTENT)
    kept = first.headers.get(_VERSION, "")
    keeps = bool(kept) and kept != "null" and second.headers.get(_VERSION) not in (None, kept)
    over = TriedAct("overwrite", "refused" if not second.is_done else "kept" if keeps else "done")
    gone = own.send("DELETE")
    hidden = keeps and bool(gone.headers.get(_VERSION))  # of the mark that hides it
    remove = TriedAct("remove", "refused" if not gone.is_done else "kept" if hidden else "done")
    if not keeps:
        return RightsTrial((over, remove), "" if gone.is_done else path)
    ended = own.send("DELETE", version=kept)
    versions = TriedAct("remove_versions", "done" if ended.is_done else "refused")
    if ended.is_done:
        for answer in (second, gone):
            own.send("DELETE", version=answer.headers.get(_VERSION, ""))
    return RightsTrial((over, remove, versions), "" if ended.is_done else path)
