"""Where in a bucket of S3's kind a copy is: the server, the bucket, and the path in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, quote

AMAZON = "amazonaws.com"
_USUAL_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """A path in a bucket.

    Attributes:
        scheme: ``https`` or ``http``.
        host: the server, with a port if the address has one.
        name: of the bucket.
        path: in the bucket, without slashes at its ends; may be empty.
    """

    scheme: str
    host: str
    name: str
    path: str

    @classmethod
    def in_url(cls, url: SplitResult) -> Self | None:
        """The place that an address names; None if it names no bucket."""
        name, _, path = url.path.strip("/").partition("/")
        host = url.netloc.rpartition("@")[2]
        return cls(url.scheme, host, name, path.strip("/")) if host and name else None

    @property
    def endpoint(self) -> str:
        """The address of the server alone."""
        return f"{self.scheme}://{self.host}"

    def inside(self, path: str) -> str:
        """A path below this one, as seen in the bucket."""
        return f"{self.path}/{path}" if self.path else path

    def object_path(self, path: str) -> str:
        """What a request names to reach an object below this path, encoded."""
        return quote(f"/{self.name}/{self.inside(path)}", safe="/~")


def region_in(variables: Mapping[str, str]) -> str:
    """The region that variables named as Amazon's give; Amazon's first one if they give none."""
    return variables.get("AWS_DEFAULT_REGION") or variables.get("AWS_REGION") or _USUAL_REGION
