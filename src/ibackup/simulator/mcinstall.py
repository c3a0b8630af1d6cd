"""com.apple.mobile.MCInstall: configuration profiles and whether an organization manages the phone."""

from ibackup.simulator.framed_plists import Message, read_message, write_message
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone


def serve(stream: Stream, phone: VirtualPhone) -> None:
    """Serve one connection until it ends."""
    while True:
        kind = read_message(stream).get("RequestType")
        phone.journal.add("mcinstall", str(kind))
        if kind == "GetProfileList":
            answer = _profiles(phone)
        elif kind == "GetCloudConfiguration":
            answer = {"CloudConfiguration": _cloud_configuration(phone)}
        elif kind in ("HelloHostIdentifier", "Flush"):
            answer = {}
        else:
            # For changes, the phone demands a supervisor's identity; this simulator has none.
            write_message(stream, {"Status": "Error", "ErrorChain": [_refusal()]})
            continue
        write_message(stream, {"Status": "Acknowledged", **answer})


def _refusal() -> Message:
    return {"ErrorCode": 4001, "ErrorDomain": "MCInstallationErrorDomain", "LocalizedDescription": "Refused."}


def _profiles(phone: VirtualPhone) -> Message:
    profiles = {
        f"{profile.identifier}.{number}": profile
        for number, profile in enumerate(phone.spec.signals.profiles)
    }
    return {
        "OrderedIdentifiers": list(profiles),
        "ProfileManifest": {
            identifier: {"Description": profile.name, "IsActive": True}
            for identifier, profile in profiles.items()
        },
        "ProfileMetadata": {
            identifier: {
                "PayloadDisplayName": profile.name,
                "PayloadDescription": "",
                **({"PayloadOrganization": profile.organization} if profile.organization else {}),
                "PayloadRemovalDisallowed": not profile.removable,
                "PayloadUUID": "1F6E2B52-3D8B-4B7A-9C34-0A5B8C7D6E5F",
                "PayloadVersion": 1,
            }
            for identifier, profile in profiles.items()
        },
    }


def _cloud_configuration(phone: VirtualPhone) -> Message:
    organization = phone.spec.signals.supervised_by
    values: dict[str, object] = {
        "AllowPairing": True,
        "CloudConfigurationUIComplete": True,
        "ConfigurationSource": 0,
        "IsSupervised": bool(organization),
        "PostSetupProfileWasInstalled": True,
    }
    if organization:
        values |= {"OrganizationName": organization, "IsMDMUnremovable": True}
    return values
