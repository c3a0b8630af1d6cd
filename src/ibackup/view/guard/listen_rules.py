"""Where the view may listen: this computer alone, or other computers too if the way there is safe."""

import ipaddress
import re
import ssl
from dataclasses import dataclass

from ibackup.base.errors import UsageError
from ibackup.base.events import Observer
from ibackup.jobs.encryption.password_strength import SHORT
from ibackup.vault.password_file import read_password_file
from ibackup.view.guard.site import Site, host_headers
from ibackup.view.guard.web_password import WebPassword

_LOOPBACK = "127.0.0.1"
_HTTPS = 443
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*(:[0-9]{1,5})?", re.ASCII)


@dataclass(frozen=True)
class ListenRequest:
    """What the command line says about where to listen. Without ``address``, that is this computer alone.

    Attributes:
        address: of this computer, which others reach.
        port: 0 takes a free one.
        host_names: under which browsers reach it, each with a port if that is another one.
        password_file: whose first line is the web password.
        certificate: a PEM file, with the certificates that lead to it.
        key: a PEM file.
        proxy: the address of the only computer that may connect; it does the encryption.
    """

    address: str | None = None
    port: int = 0
    host_names: tuple[str, ...] = ()
    password_file: str | None = None
    certificate: str | None = None
    key: str | None = None
    proxy: str | None = None


@dataclass(frozen=True)
class ListenPlan:
    """Where to listen, after everything was checked.

    Attributes:
        address: to bind.
        port: to bind; 0 takes a free one.
        host_names: as they were given.
        password: lets in; None: only tokens do.
        tls: encrypts what comes; None: it comes from this computer or from the proxy.
        proxy: the only address that may connect; None: any.
    """

    address: str = _LOOPBACK
    port: int = 0
    host_names: tuple[str, ...] = ()
    password: WebPassword | None = None
    tls: ssl.SSLContext | None = None
    proxy: str | None = None

    def site(self, port: int) -> Site:
        """How browsers see it, once the port is known."""
        if self.password is None:
            return Site.on_loopback(port)
        public = _HTTPS if self.proxy else port
        hosts: list[str] = []
        for each in self.host_names:
            name, _, its_own = each.partition(":")
            hosts += host_headers(name, int(its_own or public), "https")
        if self.proxy is None and not ipaddress.ip_address(self.address).is_unspecified:
            hosts += host_headers(self.address, port, "https")
        return Site("https", tuple(hosts), port, self.proxy)


def plan_listening(request: ListenRequest, observe: Observer) -> ListenPlan:
    """Check a request.

    Args:
        request: what the user wants.
        observe: gets a warning if others can read the file with the password.

    Raises:
        UsageError: something is missing that keeps strangers out.
        PasswordNeeded: there is no password in that file.
    """
    if request.address is None:
        _refuse_without_listen(request)
        return ListenPlan(port=request.port)
    address = _address(request.address, "--listen")
    proxy = _address(request.proxy, "--behind-proxy") if request.proxy else None
    if not request.port:
        raise UsageError(
            "--listen needs a port, so that the address is the same each time.",
            hint="Add --port, as in --port 8443.",
        )
    _check_encryption(request)
    names = _host_names(request, needed=bool(proxy) or ipaddress.ip_address(address).is_unspecified)
    return ListenPlan(
        address, request.port, names, _password(request, observe), None if proxy else _tls(request), proxy
    )


def _refuse_without_listen(request: ListenRequest) -> None:
    given = {
        "--host-name": request.host_names,
        "--web-password-file": request.password_file,
        "--tls-cert": request.certificate,
        "--tls-key": request.key,
        "--behind-proxy": request.proxy,
    }
    for option, value in given.items():
        if value:
            raise UsageError(
                f"{option} works only with --listen.",
                why="Without --listen, only this computer reaches the view.",
                hint="Add --listen ADDRESS.",
            )


def _address(text: str, option: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise UsageError(
            f"{option} needs an IP address, and {text!r} is none.",
            hint=f"For example: {option} 192.168.1.20.",
        ) from None


def _check_encryption(request: ListenRequest) -> None:
    own = bool(request.certificate or request.key)
    if own and request.proxy:
        raise UsageError(
            "--behind-proxy and --tls-cert exclude each other.",
            why="Behind a proxy, the proxy does the encryption.",
            hint="Leave out one of them.",
        )
    if not own and not request.proxy:
        raise UsageError(
            "--listen needs encryption.",
            why="Without it, everyone on the way reads your password and your backups.",
            hint="Add --tls-cert FILE and --tls-key FILE, or --behind-proxy ADDRESS.",
        )
    if own and not (request.certificate and request.key):
        raise UsageError("--tls-cert and --tls-key are needed together.", hint="Add the other one.")


def _host_names(request: ListenRequest, *, needed: bool) -> tuple[str, ...]:
    for name in request.host_names:
        if not _HOST_NAME.fullmatch(name) or int(name.partition(":")[2] or 1) not in range(1, 65536):
            raise UsageError(
                f"--host-name needs a name, and {name!r} is none.",
                hint="For example: --host-name backup.example.org.",
            )
    if needed and not request.host_names:
        raise UsageError(
            "The name that browsers use is missing.",
            why="ibackup answers only to names it knows, so that no web page can pretend to be it.",
            hint="Add --host-name NAME.",
        )
    return request.host_names


def _password(request: ListenRequest, observe: Observer) -> WebPassword:
    if not request.password_file:
        raise UsageError(
            "--listen needs a web password.",
            hint="Write one into a file that only you can read, and add --web-password-file FILE.",
        )
    password = read_password_file(request.password_file, observe)
    if len(password) < SHORT:
        raise UsageError(
            f"The web password is shorter than {SHORT} characters.",
            why="Everyone on the network can try to guess it.",
            hint="Four random words are good.",
        )
    return WebPassword(password)


def _tls(request: ListenRequest) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # An empty password, because otherwise an encrypted key would be asked for on the terminal.
        context.load_cert_chain(str(request.certificate), request.key, password="")
    except (OSError, ValueError) as error:  # of which SSLError is one
        raise UsageError(
            "The certificate and its key cannot be used.",
            why=f"({getattr(error, 'reason', None) or getattr(error, 'strerror', None) or error})",
            hint="Both must be PEM files that belong together, and the key must have no password.",
        ) from None
    return context
