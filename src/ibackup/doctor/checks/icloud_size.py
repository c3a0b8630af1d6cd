"""How large an iCloud backup of a phone is, what it consists of, and how long it takes."""

from collections.abc import Mapping
from dataclasses import dataclass

from ibackup.base.sizes import rough_size
from ibackup.doctor.evidence.noted_evidence import BackupSizes
from ibackup.doctor.evidence.phone_evidence import Evidence
from ibackup.doctor.evidence.sighting import EvidenceSource, Seen
from ibackup.doctor.tables.cloud_apps import OWN_CLOUD, app_name
from ibackup.doctor.tables.thresholds import GB, LIMITS, MEGABIT, Thresholds

_APP, _GROUP, _PLUGIN = "AppDomain-", "AppDomainGroup-", "AppDomainPlugin-"
_PHOTOS = "CameraRollDomain"
# Domains of a local backup; anything else in it is not in iCloud's (books, bought ringtones, device pairings).
_IN_CLOUD = frozenset(
    {
        "HomeDomain", "MediaDomain", "HealthDomain", "HomeKitDomain", "KeychainDomain", "KeyboardDomain",
        "WirelessDomain", "SystemPreferencesDomain", "DatabaseDomain", "RootDomain", "ManagedPreferencesDomain",
        "InstallDomain", "NetworkDomain",
    }
)  # fmt: skip
_IN_CLOUD_PREFIXES = (_APP, _GROUP, _PLUGIN, "SysContainer", "SysSharedContainer")
_OTHER_NAMES = {
    _PHOTOS: "Photos and videos (only while iCloud Photos is off)",
    "MediaDomain": "Message attachments and recordings",
    "HomeDomain": "Messages and settings",
    "HealthDomain": "Health",
}
UPLOADS = (5 * MEGABIT, 10 * MEGABIT, 40 * MEGABIT)
PLANS = {
    "5GB": 5 * GB,
    "50GB": 50 * GB,
    "200GB": 200 * GB,
    "2TB": 2000 * GB,
    "6TB": 6000 * GB,
    "12TB": 12000 * GB,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeEstimate:
    """How much the next iCloud backup needs, in bytes.

    Attributes:
        low, high: a range; equal if the figure is the phone's own.
        basis: where it comes from, to follow "by".
    """

    low: int
    high: int
    basis: str
    source: EvidenceSource

    @property
    def text(self) -> str:
        """``about 7.9 GB``, ``between 3 and 12 GB``."""
        if self.low == self.high:
            return f"about {rough_size(self.high)}"
        if not self.low:
            return f"at most {rough_size(self.high)}"
        return f"between {rough_size(self.low)} and {rough_size(self.high)}"


@dataclass(frozen=True, slots=True)
class AppShare:
    """One app's part of the backup.

    Attributes:
        advice: what can be done about it; empty if it is not an app.
        can_go: it may be switched off.
    """

    name: str
    key: str
    size: int
    advice: str
    can_go: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The parts of the backup, largest first, and where the figures come from."""

    shares: tuple[AppShare, ...]
    basis: str
    source: EvidenceSource

    @property
    def can_go(self) -> tuple[AppShare, ...]:
        """The apps that may be switched off."""
        return tuple(share for share in self.shares if share.can_go)


def estimate(evidence: Evidence, limits: Thresholds = LIMITS) -> SizeEstimate | None:
    """The best figure available: the phone's own, a local backup's, or an upper bound from apps and photos."""
    notes, sizes, apps = evidence.noted.notes, evidence.noted.sizes, evidence.phone.apps
    if isinstance(notes, Seen) and notes.value.sizing and notes.value.sizing.total:
        total = notes.value.sizing.total
        basis = "the phone's own figure at its last attempt"
        return SizeEstimate(low=total, high=total, basis=basis, source=notes.source)
    if isinstance(sizes, Seen):
        low, photos = _of_manifest(sizes.value)
        basis = "the files in a local backup; the iCloud backup is usually somewhat smaller"
        return SizeEstimate(low=low, high=low + photos, basis=basis, source=sizes.source)
    if isinstance(apps, Seen) and any(app.data for app in apps.value):
        disk = evidence.phone.disk.get()
        high = sum(app.data or 0 for app in apps.value)
        photos = (disk.photos or 0) if disk else 0
        basis = "the apps' data, including caches, which are not backed up" + (
            ", and photos" if photos else ""
        )
        return SizeEstimate(
            low=int(high * limits.apps_backed_up),
            high=high + photos,
            basis=basis,
            source=apps.source,
        )
    return None


def _of_manifest(sizes: BackupSizes) -> tuple[int, int]:
    """Bytes without the camera roll, and the camera roll's, which counts only while iCloud Photos is off."""
    low = sum(
        size
        for domain, size in sizes.domains.items()
        if domain in _IN_CLOUD or domain.startswith(_IN_CLOUD_PREFIXES)
    )
    return low, sizes.domains.get(_PHOTOS, 0)


def shares(evidence: Evidence, limits: Thresholds = LIMITS) -> Shares | None:
    """How much of the backup each app takes, from the best figures available."""
    notes, sizes, apps = evidence.noted.notes, evidence.noted.sizes, evidence.phone.apps
    names = {app.bundle_id: app.name for app in apps.value} if isinstance(apps, Seen) else {}
    if isinstance(notes, Seen) and notes.value.sizing and notes.value.sizing.domains:
        found = _by_owner(notes.value.sizing.domains)
        return Shares(
            shares=_rows(found, names, limits), basis="what the phone wanted to send", source=notes.source
        )
    if isinstance(sizes, Seen):
        found = _by_owner(sizes.value.domains)
        return Shares(
            shares=_rows(found, names, limits), basis="the files in a local backup", source=sizes.source
        )
    if isinstance(apps, Seen) and any(app.data for app in apps.value):
        found = {app.bundle_id: app.data or 0 for app in apps.value}
        return Shares(
            shares=_rows(found, names, limits),
            basis="each app's data, including caches",
            source=apps.source,
        )
    return None


def _by_owner(domains: Mapping[str, int]) -> dict[str, int]:
    """Bytes by app, including its groups and plug-ins if their names show it; else by domain."""
    apps = {domain.removeprefix(_APP) for domain in domains if domain.startswith(_APP)}
    found: dict[str, int] = {}
    for domain, size in domains.items():
        if domain.startswith("_"):
            continue
        owner = _owner(domain, apps)
        found[owner] = found.get(owner, 0) + size
    return found


def _owner(domain: str, apps: set[str]) -> str:
    if domain.startswith(_APP):
        return domain.removeprefix(_APP)
    for prefix in (_GROUP, _PLUGIN):
        if domain.startswith(prefix):
            name = domain.removeprefix(prefix).removeprefix("group.")
            labels = name.split(".", 32)
            longest = (".".join(labels[:count]) for count in range(len(labels), 1, -1))
            return next((each for each in longest if each in apps), name)
    return domain


def _rows(found: Mapping[str, int], names: Mapping[str, str], limits: Thresholds) -> tuple[AppShare, ...]:
    rows = [
        _row(key, size, names.get(key, ""), limits)
        for key, size in sorted(found.items(), key=lambda item: (-item[1], item[0]))
        if size >= limits.app_tiny
    ]
    return tuple(rows)


def _row(key: str, size: int, told: str, limits: Thresholds) -> AppShare:
    if key.endswith("Domain") or key.startswith(("Sys", "_")):
        return AppShare(_OTHER_NAMES.get(key, key), key, size, "", can_go=False)
    cloud = OWN_CLOUD.get(key)
    name = app_name(key, told)
    if cloud is None:
        return AppShare(name, key, size, "no other copy that we know of: leave it on", can_go=False)
    if size < limits.app_large:
        return AppShare(name, key, size, "keeps its own copy; too small to matter", can_go=False)
    return AppShare(name, key, size, f"may be switched off, {cloud.condition}", can_go=True)


def upload_seconds(count: int, bits_per_second: float, limits: Thresholds = LIMITS) -> float:
    """How many seconds an upload takes, allowing for overhead."""
    return count * 8 / bits_per_second * limits.upload_overhead
