"""What `list` and `show` both report to programs about a snapshot."""

from typing import TYPE_CHECKING

from ibackup.cli.shell.output import rfc3339

if TYPE_CHECKING:
    from ibackup.store.records.proof_records import Proof
    from ibackup.store.records.snapshot import SnapshotMeta


def snapshot_members(meta: "SnapshotMeta") -> dict[str, object]:
    """The phone it is of, when it was made, and how much it holds."""
    return {
        "device_name": meta.device_name,
        "ios_version": meta.ios_version,
        "started": rfc3339(meta.started),
        "finished": rfc3339(meta.finished),
        "data_from": rfc3339(meta.data_from),
        "files": meta.files,
        "bytes": meta.bytes,
        "received_bytes": meta.received_bytes,
        "encrypted": meta.encrypted,
        "full": meta.full,
        "checked": meta.checked,
        "rewraps": meta.rewraps or None,
        "photos": meta.photos.to_members() if meta.photos else None,
    }


def proof_members(proof: "Proof | None") -> dict[str, object] | None:
    """One proof; None if there is none."""
    return {"level": proof.level, "result": proof.result, "when": rfc3339(proof.when)} if proof else None
