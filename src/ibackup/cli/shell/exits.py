"""What the exit codes mean, and which of them each command can end with."""

from ibackup.base.exit_codes import ExitCode

_MEANINGS = {
    ExitCode.OK: "success",
    ExitCode.FAILED: "unexpected failure",
    ExitCode.USAGE: "wrong usage, or a choice is missing",
    ExitCode.FLAWED: "backed up, but some files are flawed",
    ExitCode.DAMAGE: "damage found",
    ExitCode.NO_PHONE: "no phone",
    ExitCode.PERSON_NEEDED: "someone is needed at the phone",
    ExitCode.PHONE_REFUSED: "the phone refused",
    ExitCode.CONNECTION_LOST: "connection lost",
    ExitCode.NO_ROOM: "not enough space",
    ExitCode.BUSY: "phone or copy in use by another run",
    ExitCode.STORE_MISSING: "store or copy missing",
    ExitCode.PASSWORD: "password missing or wrong",
    ExitCode.NOT_A_BACKUP: "not a backup",
    ExitCode.STALE: "no good backup within the limit",
    ExitCode.ICLOUD_BLOCKED: "iCloud Backup blocked (doctor --exit-code)",
    ExitCode.INTERRUPTED: "interrupted",
}

EXIT_CODES = "Exit codes:\n" + "\n".join(f"  {code.value:<4} {said}" for code, said in _MEANINGS.items())

_ANY = (0, 1, 2, 130)
_PHONE = (10, 11, 12, 13)
_CHANGE = (4, *_PHONE, 14, 15, 16, 20, 21)
_READ = (4, 16, 20, 21)

_OWN: dict[str, tuple[int, ...]] = {
    "now": (3, 4, *_PHONE, 14, 15, 16, 20, 21),
    "setup": (3, 4, *_PHONE, 14, 15, 16, 20, 21),
    "encryption on": _CHANGE,
    "encryption off": _CHANGE,
    "encryption change": _CHANGE,
    "encryption status": (4, *_PHONE, 16, 20, 21),
    "encryption keychain": _READ,
    "encryption recovery-sheet": _READ,
    "import": (3, 4, 14, 15, 16, 20, 21),
    "open": (16, 21),
    "status": (4, 16, 30),
    "list": (4, 16),
    "show": (4, 16, 21),
    "verify": (3, 4, 15, 16, 20, 21),
    "devices": (*_PHONE, 16),
    "files": _READ,
    "search": (4, 14, 16, 20, 21),
    "diff": _READ,
    "du": (4, 16),
    "log": (),
    "restore": (3, 4, *_PHONE, 14, 15, 16, 20, 21),
    "rehearse": (3, 4, 12, 14, 15, 16, 20, 21),
    "export": (4, 14, 16, 20, 21),
    "extract": (4, 14, 16, 20, 21),
    "to-finder": (4, 14, 15, 16, 21),
    "mount": (4, 15, 16, 20, 21),
    "unmount": (),
    "nightly": (3, 4, *_PHONE, 14, 15, 16, 20, 21, 30),
    "watch": (*_PHONE, 16),
    "schedule install": (16,),
    "schedule show": (),
    "schedule remove": (),
    "notify test": (),
    "config show": (),
    "config check": (),
    "prune": (4, 15, 16),
    "pin": (4, 15, 16, 21),
    "copy add": (14, 15, 16, 20),
    "copy list": (),
    "copy show": (),
    "copy run": (4, 14, 15, 16, 20, 21),
    "copy prove": (4, 14, 15, 16, 20),
    "copy rehearse": (4, 12, 14, 15, 16, 20, 21),
    "copy check-rights": (3, 14, 15, 16, 20),
    "copy get": (4, 14, 15, 16, 20, 21),
    "copy prune": (4, 14, 15, 16, 20),
    "copy repair": (4, 14, 15, 16, 20),
    "copy remove": (),
    "fleet init": (15, 16, 20),
    "fleet enrol": (14, 15, 16, 20),
    "fleet join": (),
    "fleet list": (16, 20),
    "fleet status": (4, 16, 20, 30),
    "fleet keeper": (4, 12, 14, 15, 16, 20),
    "fleet revoke": (16, 20),
    "heal": (3, 4, 14, 15, 16, 20, 21),
    "doctor": (4, *_PHONE, 16, 20, 21, 31),
    "icloud status": (*_PHONE, 15, 16),
    "icloud on": (*_PHONE, 15, 16),
    "icloud off": (*_PHONE, 15, 16),
    "wifi on": (*_PHONE, 15, 16),
    "wifi off": (*_PHONE, 15, 16),
    "wifi status": (*_PHONE,),
    "demo": (),
    "simulator run": (),
    "simulator replay": (),
    "completion": (),
    "help": (),
}

_OWN_MEANINGS = {"copy check-rights": {ExitCode.FLAWED: "this computer could destroy the copy"}}


def codes_of(command: str) -> tuple[ExitCode, ...]:
    """The exit codes that a command can end with, in ascending order; all of them for an unknown command."""
    own = _OWN.get(command)
    return tuple(ExitCode) if own is None else tuple(ExitCode(code) for code in sorted({*_ANY, *own}))


def rows_of(command: str) -> list[tuple[str, str]]:
    """Code and meaning of each exit code of a command, for its help."""
    own = _OWN_MEANINGS.get(command, {})
    return [(str(code.value), own.get(code, _MEANINGS[code])) for code in codes_of(command)]
