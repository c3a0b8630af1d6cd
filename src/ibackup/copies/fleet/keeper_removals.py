"""Which snapshots the keeper of a fleet removed of one phone: its computers do not miss them or copy them again."""

from dataclasses import dataclass
from typing import Self

from ibackup.copies.fleet import fleet_keys, keeper_findings
from ibackup.copies.fleet.fleet_keys import SigningKey
from ibackup.store.disk.json_records import RecordFlaw

_KIND = "ibackup fleet removals"
_MOST = 2000


@dataclass(frozen=True, slots=True)
class KeeperRemovals:
    """The snapshots' ids, in the order in which they were removed; it is written before they are."""

    udid: str
    ids: tuple[str, ...] = ()

    @staticmethod
    def path_for(udid: str) -> str:
        """The object in the bucket: each computer reads its own phones' alone."""
        return f"{keeper_findings.FOLDER}/removed/{udid}.json"

    def with_more(self, ids: tuple[str, ...]) -> "KeeperRemovals":
        """The same with those that are to be removed now."""
        return KeeperRemovals(self.udid, tuple(dict.fromkeys((*self.ids, *ids)))[-_MOST:])

    def signed(self, keeper: SigningKey) -> bytes:
        """The object."""
        return keeper.signed({"schema": 1, "kind": _KIND, "udid": self.udid, "removed": list(self.ids)})

    @classmethod
    def opened(cls, data: bytes, keeper_key: str, udid: str) -> Self:
        """Read the object about this phone. Raises RecordFlaw, NotGenuine."""
        record = fleet_keys.opened(data, keeper_key)
        if (record.text("kind"), record.text("udid")) != (_KIND, udid):
            raise RecordFlaw("is not what the keeper removed from this phone's repository")
        return cls(udid, record.texts("removed"))
