"""Windows: its WebDAV redirector, at a drive letter, as ``net use`` does it."""

import ctypes
import sys
from dataclasses import dataclass
from typing import ClassVar

from ibackup.base.errors import IbackupError, UsageError
from ibackup.base.programs import run
from ibackup.mount.mount_place import is_drive
from ibackup.mount.system.system_mount import WITHOUT_PLACE, busy
from ibackup.mount.webdav_site import WebDavSite, port_of

_DISK = 1  # RESOURCETYPE_DISK
_TEMPORARY = 4  # CONNECT_TEMPORARY: not again after the next logon
# ERROR_BAD_NETPATH, ERROR_BAD_NET_NAME, ERROR_NO_NET_OR_BAD_PATH: nobody feels responsible for http addresses
_NO_SERVICE = frozenset([53, 67, 1203])


class NetResource(ctypes.Structure):
    """NETRESOURCEW."""

    _fields_ = (
        ("scope", ctypes.c_uint32),
        ("type", ctypes.c_uint32),
        ("display_type", ctypes.c_uint32),
        ("usage", ctypes.c_uint32),
        ("local_name", ctypes.c_wchar_p),
        ("remote_name", ctypes.c_wchar_p),
        ("comment", ctypes.c_wchar_p),
        ("provider", ctypes.c_wchar_p),
    )


@dataclass(frozen=True, slots=True)
class ByWindowsRedirector:
    """The password stays in the memory of this process: ``net use`` would take it on its command line."""

    name: ClassVar[str] = "windows"
    makes_place: ClassVar[bool] = True

    def why_not(self) -> str:
        """It is a part of Windows."""
        return "" if sys.platform == "win32" else "The WebDAV redirector is a part of Windows."

    def mount(self, site: WebDavSite, at: str) -> str:
        """Raises IbackupError, UsageError."""
        if not is_drive(at):
            raise UsageError("Windows shows WebDAV at a drive letter.", hint="Give a free one: --at Z:")
        resource = NetResource(type=_DISK, local_name=at, remote_name=site.url)
        code = _add_connection(resource, site.password, site.user)
        if code in _NO_SERVICE:
            raise IbackupError(
                "Windows does not take the address.",
                why="Its service WebClient is probably off.",
                hint="Start it as administrator: `sc start WebClient`. Windows Server needs the feature "
                "WebDAV-Redirector.",
            )
        if code:
            raise IbackupError(
                f"Windows refused to connect {at} (error {code}).",
                hint=WITHOUT_PLACE,
            )
        return at

    def unmount(self, at: str, address: str, *, forced: bool = False) -> None:
        """Raises IbackupError."""
        if _names(run("net", "use", at).out, port_of(address)):  # by now the letter may be another one's
            done = run("net", "use", at, "/delete", "/y" if forced else "/n")
            if done.code and not forced:
                raise busy(at, done)


def _names(said: str, port: int) -> bool:
    r"""Whether ``net use`` shows our address, which it may write as \\127.0.0.1@5000\DavWWWRoot."""
    return f"127.0.0.1:{port}/" in said or f"127.0.0.1@{port}\\" in said


def _add_connection(resource: NetResource, password: str, user: str) -> int:
    """WNetAddConnection2W; 0, or Windows' error."""
    library = ctypes.WinDLL("mpr")  # type: ignore[attr-defined, unused-ignore]
    text = ctypes.c_wchar_p
    return int(
        library.WNetAddConnection2W(
            ctypes.byref(resource), text(password), text(user), ctypes.c_uint32(_TEMPORARY)
        )
    )
