"""Apple's backup format: reading, decryption, seal and verification. Needs no phone and no network.

    from ibackup.manifest import Backup, Level
    from ibackup.manifest.verify import verify

    with Backup.open(folder) as backup:
        backup.unlock(password)
        for entry in backup.entries("HomeDomain", like="Library/SMS/*"):
            with entry.open() as source:
                ...
        verification = verify(backup, Level.DEEP)
        for finding in verification:
            ...
        verification.summary

Modules are loaded when first used, so that importing this package costs next to nothing. ``verify`` is not
among its names, since it would hide the module of that name.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibackup.manifest.backup import Backup as Backup
    from ibackup.manifest.backup import Entry as Entry
    from ibackup.manifest.findings import Finding as Finding
    from ibackup.manifest.findings import FindingKind as FindingKind
    from ibackup.manifest.findings import Level as Level
    from ibackup.manifest.findings import Severity as Severity
    from ibackup.manifest.findings import Summary as Summary
    from ibackup.manifest.flaws import FormatError as FormatError
    from ibackup.manifest.flaws import KeyRefused as KeyRefused
    from ibackup.manifest.flaws import SealDamaged as SealDamaged
    from ibackup.manifest.keybag import ClassKeys as ClassKeys
    from ibackup.manifest.keybag import Keybag as Keybag
    from ibackup.manifest.mbfile import MBFile as MBFile
    from ibackup.manifest.plists import InfoPlist as InfoPlist
    from ibackup.manifest.plists import ManifestPlist as ManifestPlist
    from ibackup.manifest.plists import StatusPlist as StatusPlist
    from ibackup.manifest.rows import BadRow as BadRow
    from ibackup.manifest.rows import Kind as Kind
    from ibackup.manifest.seal import Seal as Seal
    from ibackup.manifest.seal import SealLine as SealLine
    from ibackup.manifest.verify import Verification as Verification
    from ibackup.manifest.verify import check_manifest as check_manifest

_HOME = {
    "BadRow": "rows",
    "Backup": "backup",
    "ClassKeys": "keybag",
    "Entry": "backup",
    "Finding": "findings",
    "FindingKind": "findings",
    "FormatError": "flaws",
    "InfoPlist": "plists",
    "KeyRefused": "flaws",
    "Keybag": "keybag",
    "Kind": "rows",
    "Level": "findings",
    "MBFile": "mbfile",
    "ManifestPlist": "plists",
    "Seal": "seal",
    "SealDamaged": "flaws",
    "SealLine": "seal",
    "Severity": "findings",
    "StatusPlist": "plists",
    "Summary": "findings",
    "Verification": "verify",
    "check_manifest": "verify",
}

__all__ = sorted(_HOME)  # noqa: PLE0605 - one list of names is enough


if not TYPE_CHECKING:  # or a type checker would believe that every name exists

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
