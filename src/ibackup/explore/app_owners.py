"""Which app a domain belongs to, and the app's everyday name."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ibackup.apple.backup import INFO, Backup
from ibackup.apple.format_errors import FormatError
from ibackup.apple.plists import Fields
from ibackup.base.errors import IbackupError

_PREFIXES = ("AppDomain-", "AppDomainPlugin-", "AppDomainGroup-")
_GROUP = "AppDomainGroup-"

# Apple's own apps are not among the installed ones, and their groups are not named after them.
_APPLE = {
    "com.apple.mobilenotes": "Notes",
    "com.apple.MobileSMS": "Messages",
    "com.apple.mobilemail": "Mail",
    "com.apple.mobilesafari": "Safari",
    "com.apple.mobilecal": "Calendar",
    "com.apple.MobileAddressBook": "Contacts",
    "com.apple.mobilephone": "Phone",
    "com.apple.reminders": "Reminders",
    "com.apple.VoiceMemos": "Voice Memos",
    "com.apple.DocumentsApp": "Files",
    "com.apple.Maps": "Maps",
    "com.apple.Health": "Health",
    "com.apple.iBooks": "Books",
    "com.apple.podcasts": "Podcasts",
    "com.apple.weather": "Weather",
    "com.apple.shortcuts": "Shortcuts",
    "com.apple.camera": "Camera",
    "com.apple.Music": "Music",
    "com.apple.tv": "TV",
    "com.apple.Home": "Home",
    "com.apple.findmy": "Find My",
    "com.apple.facetime": "FaceTime",
    "com.apple.freeform": "Freeform",
    "com.apple.journal": "Journal",
    "com.apple.stocks": "Stocks",
    "com.apple.news": "News",
    "com.apple.calculator": "Calculator",
    "com.apple.Translate": "Translate",
    "com.apple.Fitness": "Fitness",
    "com.apple.Passbook": "Wallet",
}
_APPLE_GROUPS = {
    "group.com.apple.notes": "com.apple.mobilenotes",
    "group.com.apple.calendar": "com.apple.mobilecal",
    "group.com.apple.mail": "com.apple.mobilemail",
    "group.com.apple.FileProvider.LocalStorage": "com.apple.DocumentsApp",
    "group.com.apple.VoiceMemos.shared": "com.apple.VoiceMemos",
    "243LU875E5.groups.com.apple.podcasts": "com.apple.podcasts",
}
_SYSTEM = {
    "CameraRollDomain": "Photos",
    "MediaDomain": "Media, message attachments",
    "HomeDomain": "Messages, contacts, settings",
    "HealthDomain": "Health",
    "KeychainDomain": "Passwords",
    "BooksDomain": "Books",
    "TonesDomain": "Ringtones",
    "HomeKitDomain": "Home",
    "WirelessDomain": "Mobile network",
    "DatabaseDomain": "System databases",
    "InstallDomain": "Installation",
    "KeyboardDomain": "Keyboards",
    "ManagedPreferencesDomain": "Managed settings",
    "MobileDeviceDomain": "Connection to computers",
    "NetworkDomain": "Network",
    "ProtectedDomain": "Protected data",
    "RootDomain": "System",
    "SystemPreferencesDomain": "System settings",
}


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a domain.

    Attributes:
        key: a bundle identifier, or else a domain.
        name: its everyday name.
    """

    key: str
    name: str


def domains_of_app(bundle: str) -> tuple[str, ...]:
    """The domains, or patterns for them, in which an app keeps its files.

    A backup does not say which app a shared group belongs to. Most groups are named after their app; Apple's
    groups are in a list.
    """
    groups = [group for group, owner in _APPLE_GROUPS.items() if owner == bundle]
    literal = _literal(bundle)
    return (
        f"AppDomain-{bundle}",
        f"AppDomainPlugin-{literal}.*",
        f"{_GROUP}{bundle}",
        f"{_GROUP}group.{bundle}",
        f"{_GROUP}group.{literal}.*",
        *(_GROUP + group for group in groups),
    )


def _literal(text: str) -> str:
    """A text as a pattern that matches only that text."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


@dataclass
class Apps:
    """The apps of one phone: bundle identifiers with their names.

    Args:
        names: known names, by bundle identifier.
        installed: all known bundle identifiers.
    """

    names: Mapping[str, str]
    installed: frozenset[str] = frozenset()
    _owners: dict[str, Owner] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, backup: Backup) -> "Apps":
        """What a backup says about its apps; if a plist cannot be read, they have no names."""
        names: dict[str, str] = {}
        installed: set[str] = set()
        try:
            info = Fields.parse(backup.read(INFO), INFO)
            installed.update(info.texts("Installed Applications"))
            names.update(_names(info.fields("Applications")))
        except FormatError:
            pass  # names are optional; verify reports damage
        with contextlib.suppress(FormatError):  # the same
            installed.update(name for name in backup.manifest.applications if not name.startswith("group."))
        return cls(names, frozenset(installed | names.keys()))

    @classmethod
    def of_folder(cls, path: str) -> "Apps":
        """The apps of a backup folder, however damaged; none if it cannot be read."""
        with contextlib.suppress(IbackupError, OSError), Backup.open(path, known=True) as backup:
            return cls.of(backup)
        return cls({})

    def joined(self, newer: "Apps") -> "Apps":
        """The apps of two backups of one phone; the newer one's names count."""
        return Apps({**self.names, **newer.names}, self.installed | newer.installed)

    def owner(self, domain: str) -> Owner:
        """The owner of a domain."""
        known = self._owners.get(domain)
        if known is None:
            known = self._owners[domain] = self._find(domain)
        return known

    def name(self, bundle: str) -> str:
        """The everyday name of an app."""
        return self.names.get(bundle) or _APPLE.get(bundle) or bundle

    def _find(self, domain: str) -> Owner:
        for prefix in _PREFIXES:
            if domain.startswith(prefix):
                rest = domain.removeprefix(prefix)
                bundle = self._of_group(rest) if prefix == _GROUP else self._of_bundle(rest)
                return Owner(bundle, self.name(bundle)) if bundle else Owner(domain, rest)
        return Owner(domain, _SYSTEM.get(domain, domain))

    def _of_bundle(self, bundle: str) -> str:
        """The app of a plug-in, whose identifier begins with the app's."""
        for candidate in _shorter(bundle):
            if candidate in self.installed or candidate in _APPLE:
                return candidate
        return bundle

    def _of_group(self, group: str) -> str:
        if group in _APPLE_GROUPS:
            return _APPLE_GROUPS[group]
        rest = group.partition("group.")[2] or group
        for candidate in _shorter(rest):
            if candidate in self.installed or candidate in _APPLE:
                return candidate
        # group.com.example belongs to the only app com.example.something
        begins = [bundle for bundle in self.installed if bundle.startswith(rest + ".")]
        return begins[0] if len(begins) == 1 and "." in rest else ""


def _shorter(name: str) -> Iterator[str]:
    """A dotted name, then the same with fewer and fewer labels, down to two; a hostile name has thousands."""
    labels = name.split(".", 32)
    for count in range(len(labels), 1, -1):
        yield ".".join(labels[:count])


def _names(applications: Fields) -> Iterable[tuple[str, str]]:
    for bundle in applications.keys():  # noqa: SIM118 - not a mapping
        try:
            metadata = applications.fields(bundle).data("iTunesMetadata")
            if metadata:
                fields = Fields.parse(metadata, "iTunesMetadata", limit=1024 * 1024)
                name = fields.text("bundleDisplayName") or fields.text("itemName")
                if name:
                    yield bundle, name
        except FormatError:
            continue  # one app without a name is no reason to lose the others
