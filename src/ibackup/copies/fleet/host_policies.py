"""The rights that one computer of a fleet needs in a bucket: its own phones, nothing more. In Amazon's form.

It may add. It may not remove anything except the locks of its own repositories, and cannot read other phones.
"""

import json
from collections.abc import Sequence

from ibackup.base.errors import UsageError
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.fleet import host_records, host_statuses, keeper_findings

REPOSITORIES = "repos"


def repository_address(bucket: str, udid: str) -> str:
    """Where the repository of a phone is."""
    return f"{bucket.rstrip('/')}/{REPOSITORIES}/{udid}"


def policy_for(bucket: str, udids: Sequence[str]) -> str:
    """The policy for a computer with these phones.

    Raises:
        UsageError: the fleet is in no bucket.
    """
    place = CopyAddress.parse(bucket).bucket
    if place is None:
        raise UsageError(
            "Only a bucket (s3:) has such policies.",
            hint="Elsewhere, give each computer an account that reaches its own phones' folders alone.",
        )
    repositories = [place.inside(f"{REPOSITORIES}/{udid}") for udid in udids]
    statuses = [place.inside(f"{host_statuses.FOLDER}/{udid}") for udid in udids]
    records, findings = place.inside(host_records.FOLDER), place.inside(keeper_findings.FOLDER)
    everywhere = f"arn:aws:s3:::{place.name}"

    def inside(places: Sequence[str]) -> list[str]:
        return [f"{everywhere}/{place}/*" for place in places]

    listed = [*repositories, *statuses, records]
    prefixes = [part for each in listed for part in (each, f"{each}/*")]
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "s3:GetBucketLocation", "Resource": everywhere},
                {
                    "Effect": "Allow",
                    "Action": "s3:ListBucket",
                    "Resource": everywhere,
                    "Condition": {"StringLike": {"s3:prefix": prefixes}},
                },
                {
                    "Effect": "Allow",
                    "Action": ["s3:GetObject", "s3:PutObject"],
                    "Resource": inside([*repositories, *statuses]),
                },
                {
                    "Effect": "Allow",
                    "Action": "s3:GetObject",
                    "Resource": inside([records, findings]),
                },
                {
                    "Effect": "Allow",
                    "Action": "s3:DeleteObject",
                    "Resource": inside([f"{each}/locks" for each in repositories]),
                },
            ],
        },
        indent=1,
    )
