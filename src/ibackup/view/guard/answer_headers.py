"""The headers that every answer has."""

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_NOTHING_OF_THE_DEVICE = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "bluetooth",
        "browsing-topics",
        "camera",
        "display-capture",
        "geolocation",
        "gyroscope",
        "hid",
        "local-fonts",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "publickey-credentials-get",
        "screen-wake-lock",
        "serial",
        "usb",
        "xr-spatial-tracking",
    )
)
ALWAYS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": _NOTHING_OF_THE_DEVICE,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


KEPT_BY_VERSION = "public, max-age=31536000, immutable"


def guarded_send(send: Send, cache: str = "no-store") -> Send:
    """A ``send`` that puts the headers on every answer, whatever sends it.

    A page may add a stricter Content-Security-Policy: browsers obey both. It cannot weaken anything.

    Args:
        send: the server's.
        cache: the Cache-Control of a good answer. All others may never be stored.
    """

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            message.setdefault("headers", [])
            headers = MutableHeaders(scope=message)
            for name, value in ALWAYS.items():
                headers[name] = value
            headers.append("Content-Security-Policy", CONTENT_SECURITY_POLICY)
            headers["Cache-Control"] = cache if message["status"] in (200, 206, 304) else "no-store"
        await send(message)

    return guarded
