"""Which files have a Digest: the SHA-1 of the stored bytes, which the manifest has for some domains."""

import re
from typing import Final

DOMAINS: Final = frozenset(
    [
        "DatabaseDomain",
        "HealthDomain",
        "HomeDomain",
        "HomeKitDomain",
        "InstallDomain",
        "KeyboardDomain",
        "KeychainDomain",
        "ManagedPreferencesDomain",
        "MobileDeviceDomain",
        "NetworkDomain",
        "ProtectedDomain",
        "RootDomain",
        "SystemPreferencesDomain",
        "WirelessDomain",
    ]
)
"""Every file of these has one (docs/format.md, File records); files of apps, the camera roll and media have none."""

# The places of files of apps, app groups, plug-ins, media and the camera roll.
_WITHOUT: Final = re.compile(r"(^|/)(mobile/Media|Containers)/")


def may_have_one(device_path: str) -> bool:
    """Whether a file may have a Digest, judged by its place on the phone.

    This decides only whether its SHA-1 is computed while it arrives. If one is needed after all, it is
    computed from the disk.
    """
    return not _WITHOUT.search(device_path)
