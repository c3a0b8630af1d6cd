"""What lockdownd's errors mean: it guards everything that a computer may ask of a phone."""

from collections.abc import Mapping
from dataclasses import dataclass

from ibackup.apple import plist_values
from ibackup.base.errors import ConnectionLost, IbackupError, PersonNeeded, PhoneRefused
from ibackup.base.settings_paths import settings_paths
from ibackup.device.refusals.error_texts import AGAIN


class PhoneLocked(PersonNeeded):
    """The phone must be unlocked first; asking again after that may succeed."""


class TrustPending(PersonNeeded):
    """The Trust dialog is on the phone's screen; asking again after the tap may succeed."""


class TrustDenied(PersonNeeded):
    """Someone tapped Don't Trust."""


class NotTrusted(PersonNeeded):
    """The phone does not know this computer, or no longer does; pairing again is the way."""


class NoSuchService(PhoneRefused):
    """The phone does not have a service of that name."""


class NoSuchValue(PhoneRefused):
    """The phone has no such value; or none at all in the domain, which is an answer, too."""


@dataclass(frozen=True, slots=True)
class LockdownRefusal:
    """One row: an error of lockdownd, by its name."""

    name: str
    error: type[IbackupError]
    what: str
    why: str = ""
    hint: str = ""


_UNLOCK = "Unlock the {noun} with its passcode and try again."
_TRUST = "Connect the {noun} with a cable, unlock it, tap Trust and enter its passcode."
_RECONNECT = "Disconnect the {noun}, connect it again and try again."
_REPORT = "Restart the {noun} and try again; if the problem persists, report it: ibackup should not ask this."
_ON_THE_PHONE = "Check it in Settings on the {noun}; a profile may prevent the change."
_FORGET = "To be asked again, reset which computers the {noun} trusts: {RESET_TRUST}. Then connect it and tap Trust."

LOCKDOWN_REFUSALS: tuple[LockdownRefusal, ...] = (
    LockdownRefusal("PasswordProtected", PhoneLocked, "The {noun} is locked.", "", _UNLOCK),
    LockdownRefusal("PasscodeRequired", PhoneLocked, "The {noun} is locked.", "", _UNLOCK),
    LockdownRefusal(
        "EscrowLocked",
        PhoneLocked,
        "The {noun} is locked.",
        "It has not been unlocked since it was switched on.",
        _UNLOCK,
    ),
    LockdownRefusal(
        "PairingDialogResponsePending",
        TrustPending,
        "The {noun} asks whether to trust this computer, and nobody has answered.",
        "",
        "Tap Trust on the {noun} and enter its passcode.",
    ),
    LockdownRefusal(
        "UserDeniedPairing",
        TrustDenied,
        "Someone tapped Don't Trust on the {noun}.",
        "",
        "Disconnect the {noun}, connect it again and tap Trust.",
    ),
    LockdownRefusal("InvalidHostID", NotTrusted, "The {noun} does not trust this computer.", "", _TRUST),
    LockdownRefusal("MissingHostID", NotTrusted, "The {noun} does not trust this computer.", "", _TRUST),
    LockdownRefusal("MissingPairRecord", NotTrusted, "The {noun} does not trust this computer.", "", _TRUST),
    LockdownRefusal(
        "InvalidPairRecord",
        NotTrusted,
        "The {noun} does not accept the pairing with this computer.",
        "",
        _FORGET,
    ),
    LockdownRefusal(
        "SavePairRecordFailed",
        PersonNeeded,
        "The {noun} could not store its trust in this computer.",
        "",
        _FORGET,
    ),
    LockdownRefusal(
        "PairingProhibitedOverThisConnection",
        PersonNeeded,
        "The {noun} must be connected with a cable to trust this computer.",
        "It does not do this over the network.",
        _TRUST,
    ),
    LockdownRefusal(
        "MCProtected",
        PhoneRefused,
        "A profile on the {noun} forbids this.",
        "It is managed by an organization.",
        "See {PROFILES}, or ask the organization that manages it.",
    ),
    LockdownRefusal(
        "MCChallengeRequired",
        PhoneRefused,
        "The {noun} is supervised and trusts only the computers of its organization.",
        "",
        "Ask those who manage it to allow pairing with other computers.",
    ),
    LockdownRefusal(
        "FMiPProtected",
        PhoneRefused,
        "Find My on the {noun} forbids this.",
        "",
        "Switch it off for now: {FIND_MY}.",
    ),
    LockdownRefusal(
        "InvalidService",
        NoSuchService,
        "The {noun} does not offer a service that ibackup needs.",
        "",
        "Restart the {noun} and try again.",
    ),
    LockdownRefusal(
        "ServiceProhibited",
        PhoneRefused,
        "The {noun} does not allow a service that ibackup needs.",
        "Some are only allowed over a cable.",
        "Connect the {noun} with a cable and try again.",
    ),
    LockdownRefusal(
        "ServiceLimit",
        PhoneRefused,
        "The {noun} has too many services running for computers.",
        "",
        "Close Finder, iTunes and other programs that use the {noun}, then try again.",
    ),
    LockdownRefusal(
        "InvalidActivationRecord", PhoneRefused, "The {noun} is not activated.", "", "Finish its setup first."
    ),
    LockdownRefusal(
        "MissingActivationRecord", PhoneRefused, "The {noun} is not activated.", "", "Finish its setup first."
    ),
    LockdownRefusal(
        "InvalidConnection",
        ConnectionLost,
        "The {noun} ended the session.",
        "",
        _RECONNECT,
    ),
    LockdownRefusal(
        "SessionInactive",
        ConnectionLost,
        "The {noun} ended the session.",
        "",
        _RECONNECT,
    ),
    LockdownRefusal(
        "MissingSessionID",
        ConnectionLost,
        "The {noun} does not know the session.",
        "",
        _RECONNECT,
    ),
    LockdownRefusal(
        "InvalidSessionID",
        ConnectionLost,
        "The {noun} does not know the session.",
        "It may have been restarted.",
        _RECONNECT,
    ),
    LockdownRefusal(
        "SessionActive",
        ConnectionLost,
        "The {noun} thinks that an earlier session is still open.",
        "",
        _RECONNECT,
    ),
    LockdownRefusal(
        "MissingService", PhoneRefused, "The {noun} received a request without a service.", "", _REPORT
    ),
    LockdownRefusal("MissingKey", PhoneRefused, "The {noun} misses something in the request.", "", _REPORT),
    LockdownRefusal(
        "MissingValue", NoSuchValue, "The {noun} does not have the requested setting.", "", AGAIN
    ),
    LockdownRefusal("InvalidResponse", PhoneRefused, "The {noun} did not understand the request.", "", AGAIN),
    LockdownRefusal(
        "GetProhibited",
        PhoneRefused,
        "The {noun} does not report this setting.",
        "It reports some only to trusted computers.",
        _TRUST,
    ),
    LockdownRefusal(
        "SetProhibited", PhoneRefused, "The {noun} does not allow changing this setting.", "", _ON_THE_PHONE
    ),
    LockdownRefusal(
        "RemoveProhibited",
        PhoneRefused,
        "The {noun} does not allow removing this setting.",
        "",
        _ON_THE_PHONE,
    ),
    LockdownRefusal(
        "ImmutableValue", PhoneRefused, "This setting of the {noun} cannot be changed.", "", _ON_THE_PHONE
    ),
)

_BY_NAME: Mapping[str, LockdownRefusal] = {row.name: row for row in LOCKDOWN_REFUSALS}


def lockdown_refusal(
    name: str, *, noun: str = "iPhone", ios_version: str | None = None, doing: str = ""
) -> IbackupError:
    """The error for lockdownd's ``Error`` text, not yet raised.

    Args:
        name: the text; made safe to print.
        noun: "iPhone" or "iPad".
        ios_version: which paths in Settings to name.
        doing: what was asked ("start com.apple.afc"); the error says it if its name is unknown here.
    """
    row = _BY_NAME.get(name)
    shown = plist_values.printable(name)
    if row is None:
        return PhoneRefused(
            f"The {noun} refused ({shown}).",
            why=f"It was asked to {doing}." if doing else "",
            hint=AGAIN.format(noun=noun),
        )
    what = f"{row.what.format(noun=noun)[:-1]} ({shown})."
    hint = row.hint.format(noun=noun, **settings_paths(ios_version, noun))
    return row.error(what, why=row.why.format(noun=noun), hint=hint)
