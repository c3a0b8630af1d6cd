"""How every conversation over mobilebackup2 begins, and how each of its requests ends."""

from collections.abc import Mapping
from typing import Final

from ibackup.device import requests
from ibackup.device.frames import broken
from ibackup.device.link import DeviceLink

SERVICE: Final = "com.apple.mobilebackup2"
PROTOCOL_VERSIONS: Final = (2.0, 2.1)


def send(link: DeviceLink, message: Mapping[str, object]) -> None:
    """Send a message of mobilebackup2 itself."""
    link.send(["DLMessageProcessMessage", dict(message)])


def last_word(message: Mapping[object, object], noun: str) -> tuple[int, str]:
    """The ErrorCode of a Response, and its description.

    Raises:
        ProtocolBroken: it is something else.
    """
    name, code = message.get("MessageName"), message.get("ErrorCode")
    if name != "Response" or not isinstance(code, int):
        raise broken(f"The {noun} sent a {str(name)[:80]!a} message where a Response belongs.")
    description = message.get("ErrorDescription")
    return code, description if isinstance(description, str) else ""


def greet(link: DeviceLink, noun: str) -> tuple[int, str]:
    """Agree on versions; the code and description of the phone's answer, which 0 makes a good one.

    Raises:
        ProtocolBroken: it is no answer, or a version that is not known here.
    """
    link.handshake()
    send(link, {"MessageName": "Hello", "SupportedProtocolVersions": list(PROTOCOL_VERSIONS)})
    request = requests.parse(link.receive())
    if not isinstance(request, requests.Process):
        raise broken(f"The {noun} answered the greeting with a {type(request).__name__} request.")
    code, description = last_word(request.message, noun)
    if not code and request.message.get("ProtocolVersion") not in PROTOCOL_VERSIONS:
        raise broken(
            f"The {noun} speaks a version of the backup protocol that is not known here.",
            "Known are 2.0 and 2.1.",
        )
    return code, description
