"""Which addresses mean this computer itself."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """Whether a name or address, without brackets, is this computer's own loopback."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"
