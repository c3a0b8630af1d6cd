"""Which app a domain belongs to, and what people call it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from ibackup.manifest.backup import INFO, Backup
from ibackup.manifest.flaws import FormatError
from ibackup.manifest.plists import Fields

_PREFIXES = ("AppDomain-", "AppDomainPlugin-", "AppDomainGroup-")
_GROUP = "AppDomainGroup-"

# Apple's own apps are not among the installed ones; their groups are not named after them.
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
    """Who a domain belongs to.

    Attributes:
        key: a bundle identifier, else a domain.
        name: what people call it.
    """

    key: str
    name: str


def domains_of_app(bundle: str) -> tuple[str, ...]:
    """The domains, or patterns for them, in which an app keeps its files.

    A backup does not say which app a shared group belongs to. Groups are named after their app by custom, and
    Apple's by a list.
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
    """A text as a pattern that matches it alone."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in text)


@dataclass
class Apps:
    """The apps of one phone: bundle identifiers with their names.

    Args:
        names: by bundle identifier, as far as the backup says.
        installed: all bundle identifiers that are known.
    """

    names: Mapping[str, str]
    installed: frozenset[str] = frozenset()
    _owners: dict[str, Owner] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, backup: Backup) -> "Apps":
        """What a backup says of its apps; a plist that cannot be read leaves them without names."""
        names: dict[str, str] = {}
        installed: set[str] = set()
        try:
            info = Fields.parse(backup.read(INFO), INFO)
            installed.update(info.texts("Installed Applications"))
            names.update(_names(info.fields("Applications")))
        except FormatError:
            pass  # names are a courtesy; verify is where damage is told
        try:
            installed.update(name for name in backup.manifest.applications if not name.startswith("group."))
        except FormatError:
            pass  # likewise
        return cls(names, frozenset(installed | names.keys()))

    def owner(self, domain: str) -> Owner:
        """Who a domain belongs to."""
        known = self._owners.get(domain)
        if known is None:
            known = self._owners[domain] = self._find(domain)
        return known

    def name(self, bundle: str) -> str:
        """What people call an app."""
        return self.names.get(bundle) or _APPLE.get(bundle) or bundle

    def _find(self, domain: str) -> Owner:
        for prefix in _PREFIXES:
            if domain.startswith(prefix):
                rest = domain.removeprefix(prefix)
                bundle = self._of_group(rest) if prefix == _GROUP else self._of_bundle(rest)
                return Owner(bundle, self.name(bundle)) if bundle else Owner(domain, rest)
        return Owner(domain, _SYSTEM.get(domain, domain))

    def _of_bundle(self, bundle: str) -> str:
        """A plug-in's identifier begins with that of its app."""
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
        # group.com.example for the only app com.example.something
        begins = [bundle for bundle in self.installed if bundle.startswith(rest + ".")]
        return begins[0] if len(begins) == 1 and "." in rest else ""


def _shorter(name: str) -> Iterator[str]:
    """A dotted name, then with fewer and fewer labels, down to two; a hostile one has thousands."""
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
