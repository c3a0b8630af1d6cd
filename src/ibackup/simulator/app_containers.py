"""Real files that follow from the spec alone: what each app has, and what says who manages the phone."""

import plistlib
from collections.abc import Iterator

from ibackup.simulator.life.life_file import LifeFile
from ibackup.simulator.spec import AppSpec, PhoneSpec

_DAY = 86_400


def app_files(spec: PhoneSpec) -> Iterator[LifeFile]:
    """What installed apps store besides their made-up files: preferences, and a file in each group."""
    for app in spec.apps:
        preferences = {"firstLaunch": True, "launches": 7 + len(app.name), "version": app.version}
        path = f"Library/Preferences/{app.bundle_id}.plist"
        data = plistlib.dumps(preferences, fmt=plistlib.FMT_BINARY)
        yield LifeFile(f"AppDomain-{app.bundle_id}", path, data, spec.made_at - 5 * _DAY)
        for group in app.groups:
            data = plistlib.dumps({"owner": app.bundle_id}, fmt=plistlib.FMT_BINARY)
            path = f"Library/Preferences/{group}.plist"
            yield LifeFile(f"AppDomainGroup-{group}", path, data, spec.made_at - 5 * _DAY)


SUPERVISION = (
    "SysSharedContainerDomain-systemgroup.com.apple.configurationprofiles",
    "Library/ConfigurationProfiles/CloudConfigurationDetails.plist",
)
"""Domain and path of the file that says who manages a phone."""


def supervision(spec: PhoneSpec) -> Iterator[LifeFile]:
    """The file with which a supervised phone describes its organization."""
    if spec.supervised:
        details = {"IsSupervised": True, "IsMandatory": True, "OrganizationName": "Example School"}
        data = plistlib.dumps(details, fmt=plistlib.FMT_BINARY)
        yield LifeFile(*SUPERVISION, data, spec.made_at - 90 * _DAY)


def app_folders(spec: PhoneSpec) -> Iterator[tuple[str, str]]:
    """The folders that every app's container has, with its domain."""
    for app in spec.apps:
        for folder in ("Documents", "Library", "Library/Preferences"):
            yield _container(app), folder


def _container(app: AppSpec) -> str:
    return f"AppDomain-{app.bundle_id}"
