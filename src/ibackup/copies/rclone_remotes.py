"""How rclone reaches an address: a remote of its own, described in its environment alone."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from ibackup.copies.copy_address import CopyAddress

_REMOTE = "ibackupcopy"
_BUCKETS = "ibackupbuckets"
_PREFIX = "RCLONE_CONFIG_"


def place_below(path: str) -> str:
    """How rclone calls a path below the address. The address itself, which may have a secret, is not in it."""
    return f"{_REMOTE}:{path}"


def remote_variables(address: CopyAddress, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that describe the remote.

    Args:
        address: where it leads.
        variables: the user's, which may name the region of a bucket.
    """
    if address.kind != "s3":
        return _remote(_REMOTE, "alias", remote=address.path or address.text.removeprefix("rclone:"))
    rest = address.text.partition(":")[2]
    place = urlsplit(rest if "://" in rest else f"https://{rest.lstrip('/')}")
    region = variables.get("AWS_DEFAULT_REGION") or variables.get("AWS_REGION") or "us-east-1"
    amazon = place.netloc.endswith("amazonaws.com")
    return _remote(
        _BUCKETS,
        "s3",
        provider="AWS" if amazon else "Other",
        endpoint=f"{place.scheme}://{place.netloc}",
        region=region,
        env_auth="true",
        no_check_bucket="true",
        force_path_style="true",
    ) | _remote(_REMOTE, "alias", remote=f"{_BUCKETS}:{place.path.strip('/')}")


def _remote(name: str, kind: str, **settings: str) -> dict[str, str]:
    return {f"{_PREFIX}{name}_{key}".upper(): value for key, value in {"type": kind, **settings}.items()}
