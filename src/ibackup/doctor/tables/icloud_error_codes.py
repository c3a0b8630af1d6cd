"""What the error numbers mean that a phone records when an iCloud backup fails (the table in docs/icloud.md).

The same number can mean something else in a local backup: 105 means a full phone here, a full computer there.
"""

from dataclasses import dataclass, replace

from ibackup.doctor.tables.finding import FindingLevel

MB, CLOUDKIT, CLOUDKIT_INTERNAL = "MBErrorDomain", "CKErrorDomain", "CKInternalErrorDomain"
URL, COCOA, POSIX, AUTHENTICATION = (
    "NSURLErrorDomain",
    "NSCocoaErrorDomain",
    "NSPOSIXErrorDomain",
    "AKAuthenticationError",
)

_Levels = tuple[FindingLevel | None, FindingLevel | None, FindingLevel | None]
_B, _L, _P = FindingLevel.BLOCKER, FindingLevel.LIKELY, FindingLevel.POSSIBLE
_NO: _Levels = (None, None, None)
_ALWAYS: _Levels = (_B, _B, _B)
_LIKELY_CLEAR: _Levels = (_L, _B, _B)
_LIKELY: _Levels = (_L, _L, _L)
_GROWING: _Levels = (_P, _L, _L)
_REPEATED: _Levels = (None, _P, _P)
_SLOW: _Levels = (_P, _P, _L)
_POSSIBLE: _Levels = (_P, _P, _P)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What a number says.

    Attributes:
        words: in plain words, to follow "error 303:".
        check: the id of the check that it supports, or empty.
        levels: how sure it makes that check when it is the newest error: once, twice, three times in a row.
        clear: its meaning is certain, so it beats any guess.
        passing: the network or a condition ended the attempt, so it beats guesses about storage.
        cloud_only: a local backup never ends with it.
    """

    words: str
    check: str = ""
    levels: _Levels = _NO
    clear: bool = False
    passing: bool = False
    cloud_only: bool = False

    def level(self, in_a_row: int) -> FindingLevel | None:
        """How sure it is after that many in a row."""
        return self.levels[min(max(in_a_row, 1), 3) - 1]


def _clear(words: str, check: str, levels: _Levels, *, cloud_only: bool = True) -> Meaning:
    return Meaning(words=words, check=check, levels=levels, clear=True, cloud_only=cloud_only)


def _passing(words: str, check: str, levels: _Levels, *, cloud_only: bool = False) -> Meaning:
    return Meaning(words=words, check=check, levels=levels, passing=True, cloud_only=cloud_only)


_GENERAL = Meaning(words="a failure without a specific reason", check="history", levels=_GROWING)
_ODD = Meaning(
    words="what is stored in iCloud is not what the phone expects", check="cloud-data", levels=(None, _P, _L)
)
_HELPER = Meaning(
    words="a program on the phone that the backup needs has stopped", check="helpers", levels=_GROWING
)
_ENDED = _passing(
    "it stopped because the phone was unplugged, unlocked or lost Wi-Fi", "conditions", _GROWING
)
_NETWORK = _passing("the network failed", "network", _GROWING, cloud_only=True)
_OFFLINE = _passing("there was no network", "wifi", _LIKELY, cloud_only=True)
_SERVER = Meaning(
    words="Apple's server answered with an error", check="apple-status", levels=_LIKELY, cloud_only=True
)
_UNAVAILABLE = replace(_SERVER, words="Apple's service was not available")
_WAIT = Meaning(
    words="Apple's server told the phone to wait", check="backoff", levels=_POSSIBLE, cloud_only=True
)
_FULL = _clear("iCloud storage is full", "icloud-storage", _ALWAYS)
_SESSION = _clear("Apple's server did not accept the phone's sign-in", "session", _LIKELY_CLEAR)
_PHONE_FULL = _clear("the phone itself is full", "phone-storage", _LIKELY_CLEAR, cloud_only=False)
_POLICY = _clear("a profile or administrator forbids iCloud Backup", "policy", _ALWAYS)
_FILE = Meaning(words="one file could not be read", check="app-data", levels=_REPEATED)
_VANISHED = replace(_FILE, words="an app's file changed or disappeared during the upload", levels=_GROWING)
_UNLOCK = _passing("the phone was locked, and its data could not be read", "lock", _LIKELY)

_BACKUP: dict[int, Meaning] = {
    0: Meaning(words="it succeeded"),
    1: _GENERAL,
    2: replace(_GENERAL, words="several failures at once"),
    3: _ODD,
    4: _ODD,
    9: replace(_VANISHED, words="an app changed a file while it was read"),
    13: Meaning(
        words="another device, or a restore, is using this backup",
        check="restore-running",
        levels=_POSSIBLE,
        cloud_only=True,
    ),
    14: replace(_WAIT, words="the backup was busy"),
    17: _WAIT,
    18: _HELPER,
    19: _HELPER,
    20: _HELPER,
    22: _POLICY,
    25: _clear("a restore is still running", "restore-running", _ALWAYS),
    100: _FILE,
    105: _PHONE_FULL,
    106: _PHONE_FULL,
    202: replace(
        _ENDED,
        words="it was cancelled by someone, or because the phone was unplugged, unlocked or lost Wi-Fi",
    ),
    203: _clear("a newer iOS is needed", "ios-version", _ALWAYS),
    205: Meaning(words="the data in iCloud is damaged", check="cloud-data", levels=_SLOW),
    207: Meaning(words="the wrong password for a local backup"),
    208: _UNLOCK,
    209: _passing("some files can only be read after the phone has been unlocked once", "lock", _LIKELY),
    210: _clear("no Apple Account is signed in", "account", _ALWAYS),
    211: Meaning(words="Find My is on, which stops a restore"),
    212: Meaning(words="the phone is not fully set up", check="readable", levels=_LIKELY),
    223: replace(_ENDED, words="the phone postponed it", levels=_REPEATED),
    300: _NETWORK,
    301: replace(_SERVER, words="Apple's server refused the request", levels=_POSSIBLE),
    302: _SERVER,
    303: _FULL,
    304: _UNAVAILABLE,
    305: _SESSION,
    306: replace(_SERVER, words="Apple's server could not handle the request", levels=_POSSIBLE),
    307: Meaning(
        words="the account was moved to another server", check="session", levels=_POSSIBLE, cloud_only=True
    ),
    308: _OFFLINE,
    310: _WAIT,
} | dict.fromkeys((217, 218, 219, 220, 222, 224), _ENDED)

_CLOUDKIT: dict[int, Meaning] = {
    3: _OFFLINE,
    4: _NETWORK,
    6: _UNAVAILABLE,
    7: _WAIT,
    9: _SESSION,
    16: _VANISHED,
    17: _VANISHED,
    20: _BACKUP[202],
    23: _WAIT,
    25: _FULL,
    32: replace(_SESSION, words="the organization restricts this account", clear=False, levels=_LIKELY),
    36: _UNAVAILABLE,
}
_URLS: dict[int, Meaning] = {
    -999: _BACKUP[202],
    -1001: replace(_NETWORK, words="the connection was too slow, or stalled"),
    -1003: replace(_NETWORK, words="Apple's server could not be found (a filter, or the router)"),
    -1004: replace(_NETWORK, words="Apple's server could not be reached"),
    -1005: replace(_NETWORK, words="the connection was lost"),
    -1009: _OFFLINE,
    -1018: replace(_NETWORK, words="roaming is off"),
    -1020: replace(_NETWORK, words="mobile data is not allowed"),
} | dict.fromkeys(
    range(-1206, -1199),
    replace(_NETWORK, words="no secure connection (a wrong clock, or a network that inspects traffic)"),
)
_COCOAS: dict[int, Meaning] = {640: _PHONE_FULL} | dict.fromkeys(range(4096, 4225), _HELPER)
_POSIXES: dict[int, Meaning] = {28: _PHONE_FULL}

_DOMAINS: dict[str, dict[int, Meaning]] = {
    MB: _BACKUP,
    CLOUDKIT: _CLOUDKIT,
    "CKError": _CLOUDKIT,
    CLOUDKIT_INTERNAL: {1027: _PHONE_FULL, 2009: _WAIT, 3008: _PHONE_FULL},
    URL: _URLS,
    COCOA: _COCOAS,
    POSIX: _POSIXES,
}
_UNKNOWN = replace(_GENERAL, words="an error that ibackup does not know")


def meaning(domain: str, code: int) -> Meaning:
    """What an error says; an error that is not in the tables says only that something failed."""
    if domain == AUTHENTICATION:
        return replace(_SESSION, clear=False, levels=_LIKELY)
    known = _DOMAINS.get(domain, {}).get(code)
    if known is not None:
        return known
    if domain == URL:
        return _NETWORK
    return _UNKNOWN


def name(domain: str, code: int) -> str:
    """How messages call it: ``303``, ``NSURLErrorDomain -1009``."""
    return str(code) if domain in ("", MB) else f"{domain} {code}"


def known_codes() -> dict[int, Meaning]:
    """The phone's own numbers, MBErrorDomain, for the documentation."""
    return dict(sorted(_BACKUP.items()))
