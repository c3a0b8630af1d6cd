"""How rclone reaches an address: a remote of its own, described in its environment alone."""

from collections.abc import Mapping

from ibackup.copies.bucket_place import AMAZON, region_in
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
        variables: those that rclone gets, which may name the region of a bucket.
    """
    place = address.bucket
    if place is None:
        return _remote(_REMOTE, "alias", remote=address.path or address.text.removeprefix("rclone:"))
    return _remote(
        _BUCKETS,
        "s3",
        provider="AWS" if place.host.endswith(AMAZON) else "Other",
        endpoint=place.endpoint,
        region=region_in(variables),
        env_auth="true",
        no_check_bucket="true",
        force_path_style="true",
    ) | _remote(_REMOTE, "alias", remote=f"{_BUCKETS}:{place.name}/{place.path}".rstrip("/"))


def _remote(name: str, kind: str, **settings: str) -> dict[str, str]:
    return {f"{_PREFIX}{name}_{key}".upper(): value for key, value in {"type": kind, **settings}.items()}
