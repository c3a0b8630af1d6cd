"""Signatures of requests to S3, version 4, as Amazon documents them."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self
from urllib.parse import quote, urlsplit


@dataclass(frozen=True, slots=True)
class S3Keys:
    """The keys of a cloud."""

    ident: str
    secret: str = field(repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def found_in(cls, variables: Mapping[str, str]) -> Self | None:
        """Those in variables named as Amazon's; None if there are none."""
        ident, secret = variables.get("AWS_ACCESS_KEY_ID"), variables.get("AWS_SECRET_ACCESS_KEY")
        return cls(ident, secret, variables.get("AWS_SESSION_TOKEN", "")) if ident and secret else None


def signed(
    method: str, url: str, query: Mapping[str, str], data: bytes, keys: S3Keys, region: str, now: datetime
) -> tuple[str, dict[str, str]]:
    """The address with its query, and the headers of a signed request.

    Args:
        method: such as PUT.
        url: with an encoded path, without a query.
        query: its names and values.
        data: the body.
        keys: with which it is signed.
        region: of the bucket.
        now: UTC.
    """
    parts = urlsplit(url)
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    digest = hashlib.sha256(data).hexdigest()
    headers = {"host": parts.netloc, "x-amz-content-sha256": digest, "x-amz-date": stamp}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    asked = "&".join(f"{quote(name, safe='')}={quote(query[name], safe='')}" for name in sorted(query))
    names = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name]}" for name in sorted(headers)]
    canonical = "\n".join([method, parts.path, asked, *lines, "", names, digest])
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{keys.secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    headers["Authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.ident}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return f"{url}?{asked}" if asked else url, headers
