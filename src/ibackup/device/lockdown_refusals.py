"""What lockdownd's errors mean: it guards everything that a computer may ask of a phone."""

from collections.abc import Mapping
from dataclasses import dataclass

from ibackup.device import values
from ibackup.device.refusals import AGAIN
from ibackup.errors import ConnectionLost, IbackupError, PersonNeeded, PhoneRefused


class PhoneLocked(PersonNeeded):
    """The phone must be unlocked first; asking again after that may succeed."""


class TrustPending(PersonNeeded):
    """The Trust dialog is on the phone's screen; asking again after the tap may succeed."""


class TrustDenied(PersonNeeded):
    """Somebody tapped Don't Trust."""


class NotTrusted(PersonNeeded):
    """The phone does not know this computer, or no longer does; pairing again is the way."""


class NoSuchService(PhoneRefused):
    """The phone does not have a service of that name."""


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
_REPORT = "Restart the {noun} and try again; if it stays, report it: this program should not ask so."
_ON_THE_PHONE = "Look at it in Settings on the {noun}; a profile may keep it as it is."
_FORGET = (
    "To be asked anew: on the {noun}, Settings > General > Transfer or Reset > Reset > Reset Location & Privacy; "
    "then connect it and tap Trust."
)

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
        "Somebody tapped Don't Trust on the {noun}.",
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
        "It does not do so over the network.",
        _TRUST,
    ),
    LockdownRefusal(
        "MCProtected",
        PhoneRefused,
        "A profile on the {noun} forbids this.",
        "It is managed by an organisation.",
        "See Settings > General > VPN & Device Management, or ask those who manage it.",
    ),
    LockdownRefusal(
        "MCChallengeRequired",
        PhoneRefused,
        "The {noun} is supervised and trusts only the computers of its organisation.",
        "",
        "Ask those who manage it to allow pairing with other computers.",
    ),
    LockdownRefusal(
        "FMiPProtected",
        PhoneRefused,
        "Find My on the {noun} forbids this.",
        "",
        "Switch it off for now: Settings > your name > Find My > Find My {noun}.",
    ),
    LockdownRefusal(
        "InvalidService",
        NoSuchService,
        "The {noun} does not offer a service that is needed.",
        "",
        "Restart the {noun} and try again.",
    ),
    LockdownRefusal(
        "ServiceProhibited",
        PhoneRefused,
        "The {noun} does not allow a service that is needed.",
        "Some are allowed over the cable only.",
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
        "The {noun} knows nothing of the session.",
        "",
        _RECONNECT,
    ),
    LockdownRefusal(
        "InvalidSessionID",
        ConnectionLost,
        "The {noun} knows nothing of the session.",
        "It may have been restarted.",
        _RECONNECT,
    ),
    LockdownRefusal(
        "SessionActive",
        ConnectionLost,
        "The {noun} takes an earlier session for one that is still on.",
        "",
        _RECONNECT,
    ),
    LockdownRefusal("MissingService", PhoneRefused, "The {noun} was asked for no service.", "", _REPORT),
    LockdownRefusal(
        "MissingKey", PhoneRefused, "The {noun} misses something in what it was asked.", "", _REPORT
    ),
    LockdownRefusal(
        "MissingValue", PhoneRefused, "The {noun} does not have the setting that it was asked for.", "", AGAIN
    ),
    LockdownRefusal(
        "InvalidResponse", PhoneRefused, "The {noun} did not understand what it was asked.", "", AGAIN
    ),
    LockdownRefusal(
        "GetProhibited",
        PhoneRefused,
        "The {noun} does not tell this setting.",
        "It tells some only when trusted.",
        _TRUST,
    ),
    LockdownRefusal(
        "SetProhibited", PhoneRefused, "The {noun} does not let this setting be changed.", "", _ON_THE_PHONE
    ),
    LockdownRefusal(
        "RemoveProhibited",
        PhoneRefused,
        "The {noun} does not let this setting be removed.",
        "",
        _ON_THE_PHONE,
    ),
    LockdownRefusal(
        "ImmutableValue", PhoneRefused, "The {noun} has this setting for good.", "", _ON_THE_PHONE
    ),
)

_BY_NAME: Mapping[str, LockdownRefusal] = {row.name: row for row in LOCKDOWN_REFUSALS}


def lockdown_refusal(name: str, *, noun: str = "iPhone", doing: str = "") -> IbackupError:
    """The error for lockdownd's ``Error`` text, not yet raised.

    Args:
        name: the text; made safe to print.
        noun: "iPhone" or "iPad".
        doing: what was asked ("start com.apple.afc"), told where the error is not known here.
    """
    row = _BY_NAME.get(name)
    shown = values.printable(name)
    if row is None:
        return PhoneRefused(
            f"The {noun} refused ({shown}).",
            why=f"It was asked to {doing}." if doing else "",
            hint=AGAIN.format(noun=noun),
        )
    what = f"{row.what.format(noun=noun)[:-1]} ({shown})."
    return row.error(what, why=row.why.format(noun=noun), hint=row.hint.format(noun=noun))
