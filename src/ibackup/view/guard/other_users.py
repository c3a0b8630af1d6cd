"""Which user of this computer holds the other end of a connection on loopback."""

import os
import socket
import struct
import sys
from contextlib import suppress

_SOCK_DIAG = 4  # NETLINK_SOCK_DIAG
_BY_FAMILY = 20  # SOCK_DIAG_BY_FAMILY
_REQUEST = 1  # NLM_F_REQUEST
_ANY_STATE = 0xFFFFFFFF
_HEAD = struct.Struct("=IHHII")
_ANSWER = struct.Struct("=4x48x12xII")  # inet_diag_msg: after state, addresses and queues: uid and inode

Address = tuple[str, int]
"""An IPv4 address and a port."""


def users_of_this_person() -> frozenset[int]:
    """The user IDs from which the person who started ibackup may connect.

    Besides the user it runs as: root, who can do everything anyway, and the user who logged in and then ran sudo or su.
    """
    if sys.platform == "win32":
        return frozenset()
    found = {0, os.getuid(), os.geteuid()}
    with suppress(KeyError, ValueError):
        found.add(int(os.environ["SUDO_UID"]))
    with suppress(OSError, ValueError), open("/proc/self/loginuid", encoding="ascii") as stream:
        found.add(int(stream.read()))
    return frozenset(found)


def is_another_users(client: Address, server: Address, allowed: frozenset[int]) -> bool:
    """Whether a user who is not allowed holds the client's end.

    Linux alone can tell. Elsewhere, and if the kernel does not answer, nobody counts as another user.
    """
    owner = _owner(client, server) if sys.platform == "linux" else None
    if owner is None:
        return False
    uid, inode = owner
    # Without an inode, its process has already closed it; the kernel then says root for anyone.
    return inode == 0 or uid not in allowed


def _owner(client: Address, server: Address) -> tuple[int, int] | None:
    """User ID and inode of the client's socket, asked from the kernel by both its addresses (sock_diag(7))."""
    request = struct.pack("=BBBBI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
    request += struct.pack("!HH", client[1], server[1])
    try:
        request += socket.inet_aton(client[0]).ljust(16, b"\0") + socket.inet_aton(server[0]).ljust(16, b"\0")
        request += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)  # any interface, no cookie
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as asking:
            asking.settimeout(1)
            asking.send(_HEAD.pack(_HEAD.size + len(request), _BY_FAMILY, _REQUEST, 1, 0) + request)
            answer = asking.recv(4096)
    except OSError:
        return None
    if len(answer) < _HEAD.size + _ANSWER.size or _HEAD.unpack_from(answer)[1] != _BY_FAMILY:
        return None
    uid, inode = _ANSWER.unpack_from(answer, _HEAD.size)
    return uid, inode
