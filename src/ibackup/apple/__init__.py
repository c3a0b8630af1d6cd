"""Apple's backup format: reading, decryption, seal and verification. Needs no phone and no network.

    from ibackup.apple import Backup, Level
    from ibackup.apple.verify.verification import verify

    with Backup.open(folder) as backup:
        backup.unlock(password)
        for entry in backup.entries("HomeDomain", like="Library/SMS/*"):
            with entry.open() as source:
                ...
        verification = verify(backup, Level.DEEP)
        for finding in verification:
            ...
        verification.summary

Modules are loaded when first used, so importing this package takes almost no time. ``verification`` is not
among its names, because it would hide the module of that name.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibackup.apple.backup import Backup as Backup
    from ibackup.apple.crypto.keybag import ClassKeys as ClassKeys
    from ibackup.apple.crypto.keybag import Keybag as Keybag
    from ibackup.apple.entry import Entry as Entry
    from ibackup.apple.fitting import Stored as Stored
    from ibackup.apple.format_errors import FormatError as FormatError
    from ibackup.apple.format_errors import KeyRefused as KeyRefused
    from ibackup.apple.format_errors import SealDamaged as SealDamaged
    from ibackup.apple.mbfile import MBFile as MBFile
    from ibackup.apple.plists import InfoPlist as InfoPlist
    from ibackup.apple.plists import ManifestPlist as ManifestPlist
    from ibackup.apple.plists import StatusPlist as StatusPlist
    from ibackup.apple.rows import BadRow as BadRow
    from ibackup.apple.rows import Kind as Kind
    from ibackup.apple.verify.findings import Finding as Finding
    from ibackup.apple.verify.findings import FindingKind as FindingKind
    from ibackup.apple.verify.findings import Level as Level
    from ibackup.apple.verify.findings import Severity as Severity
    from ibackup.apple.verify.findings import Summary as Summary
    from ibackup.apple.verify.list_check import check_manifest as check_manifest
    from ibackup.apple.verify.seal import Seal as Seal
    from ibackup.apple.verify.seal import SealLine as SealLine
    from ibackup.apple.verify.verification import Verification as Verification

_HOME = {
    "BadRow": "rows",
    "Backup": "backup",
    "ClassKeys": "crypto.keybag",
    "Entry": "entry",
    "Finding": "verify.findings",
    "FindingKind": "verify.findings",
    "FormatError": "format_errors",
    "InfoPlist": "plists",
    "KeyRefused": "format_errors",
    "Keybag": "crypto.keybag",
    "Kind": "rows",
    "Level": "verify.findings",
    "MBFile": "mbfile",
    "ManifestPlist": "plists",
    "Seal": "verify.seal",
    "SealDamaged": "format_errors",
    "SealLine": "verify.seal",
    "Severity": "verify.findings",
    "StatusPlist": "plists",
    "Stored": "fitting",
    "Summary": "verify.findings",
    "Verification": "verify.verification",
    "check_manifest": "verify.list_check",
}

__all__ = sorted(_HOME)  # noqa: PLE0605 - one list of names is enough


if not TYPE_CHECKING:  # otherwise a type checker would believe that every name exists

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
