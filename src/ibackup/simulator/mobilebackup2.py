"""com.apple.mobilebackup2: the greeting, and the operation for each request."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from ibackup.simulator.devicelink import HostGone, LinkError, PhoneLink
from ibackup.simulator.lockdown_values import BACKUP
from ibackup.simulator.operations.backup_and_incremental import BackupOperation
from ibackup.simulator.operations.inspect import info, listing
from ibackup.simulator.operations.operation_session import MBError, Session
from ibackup.simulator.operations.password import ChangePassword
from ibackup.simulator.operations.restore_operation import Restore, restarts
from ibackup.simulator.operations.unback import extract, unback
from ibackup.simulator.stream import Stream
from ibackup.simulator.virtual_phone import VirtualPhone

PROTOCOL_VERSIONS = (2.0, 2.1)
OperationRequest: TypeAlias = Mapping[str, object]
_Answer: TypeAlias = "str | None"
Operations: TypeAlias = Mapping[str, Callable[[Session, OperationRequest], _Answer]]
"""By the name of a request: what answers it, and returns the text of the answer, if it has one."""


def serve(stream: Stream, phone: VirtualPhone, operations: Operations | None = None) -> None:
    """Serve one connection until the computer says goodbye.

    Args:
        stream: the connection.
        phone: the phone.
        operations: replaces the virtual iPhone's own operations.

    Raises:
        StreamEnded: the connection ended instead.
    """
    link = PhoneLink(stream, chunk_size=phone.spec.chunk_size, habits=phone.spec.habits)
    try:
        link.handshake(phone.spec.device_link_version)
        while _answer(stream, link, phone, link.request(), _OPERATIONS if operations is None else operations):
            pass
    except HostGone as error:
        phone.journal.add("request", f"goodbye {error}".strip())
    except LinkError as error:
        phone.journal.add("refused", error.text)
        link.disconnect(error.text)
    stream.close()


def _answer(
    stream: Stream, link: PhoneLink, phone: VirtualPhone, request: OperationRequest, operations: Operations
) -> bool:
    """Answer one request; False if the conversation is over."""
    name = str(request.get("MessageName"))
    phone.journal.add("request", name)
    if name == "Hello":
        return _greet(link, request)
    operation = operations.get(name)
    if operation is None:
        link.disconnect("Unknown Message Received")
        return False
    try:
        content = operation(Session(stream, link, phone), request)
    except MBError as error:
        _respond(link, error.code, error.text)
    except LinkError as error:
        _respond(link, error.mb_error, error.text)
    else:
        _respond(link, 0, content=content)
        if name == "Restore" and restarts(request):
            phone.restart()
    return True


def _greet(link: PhoneLink, request: OperationRequest) -> bool:
    offered = request.get("SupportedProtocolVersions")
    common = [version for version in PROTOCOL_VERSIONS if isinstance(offered, list) and version in offered]
    if not common:
        link.respond(
            {"MessageName": "Response", "ErrorCode": 1, "ErrorDescription": "No common protocol version"}
        )
        return True
    link.respond({"MessageName": "Response", "ErrorCode": 0, "ProtocolVersion": max(common)})
    return True


def _respond(link: PhoneLink, code: int, text: str = "", *, content: str | None = None) -> None:
    response: dict[str, object] = {"MessageName": "Response", "ErrorCode": code}
    if code:
        # A text that mentions an underlying error already has all codes in it.
        response["ErrorDescription"] = text if "(MBErrorDomain/" in text else f"{text} (MBErrorDomain/{code})"
    if content is not None:
        response["Content"] = content
    link.respond(response)


def _backup(session: Session, request: OperationRequest) -> None:
    if request.get("TargetIdentifier") != session.phone.udid:
        raise MBError(1, "The target identifier is not that of this device")
    BackupOperation(session).run()


def _enable_cloud_backup(session: Session, request: OperationRequest) -> None:
    session.may_fail("start")
    wanted = bool(request.get("CloudBackupState"))
    if wanted and not session.phone.spec.apple_account:
        raise MBError(210, "No Apple Account is signed in")
    session.phone.set_value(BACKUP, "CloudBackupEnabled", wanted)
    session.may_fail("end")


def _restore(session: Session, request: OperationRequest) -> None:
    options, only = request.get("Options"), request.get("ApplicationIDs")
    Restore(
        session,
        _source(session, request),
        options if isinstance(options, dict) else {},
        tuple(map(str, only)) if isinstance(only, list) else (),
    ).run()


def _change_password(session: Session, request: OperationRequest) -> None:
    old, new = _text(request, "OldPassword"), _text(request, "NewPassword")
    ChangePassword(session, old, new).run()


def _info(session: Session, request: OperationRequest) -> str:
    return info(session, _source(session, request), _text(request, "Password"))


def _list(session: Session, request: OperationRequest) -> str:
    return listing(session, _source(session, request), _text(request, "Password"))


def _unback(session: Session, request: OperationRequest) -> None:
    unback(session, _source(session, request), _text(request, "Password"))


def _extract(session: Session, request: OperationRequest) -> None:
    domain, path = _text(request, "DomainName") or "", _text(request, "RelativePath") or ""
    extract(session, _source(session, request), _text(request, "Password"), domain, path)


def _erase(session: Session, _: OperationRequest) -> None:
    session.phone.journal.add("erased")
    raise HostGone("the phone erases itself and hangs up")


def _removed(_: Session, __: OperationRequest) -> None:
    raise MBError(1, "Remove is no longer supported")


def _source(session: Session, request: OperationRequest) -> str:
    return _text(request, "SourceIdentifier") or _text(request, "TargetIdentifier") or session.phone.udid


def _text(request: OperationRequest, key: str) -> str | None:
    value = request.get(key)
    return value if isinstance(value, str) and value else None


_OPERATIONS: Operations = {
    "Backup": _backup,
    "ChangePassword": _change_password,
    "EnableCloudBackup": _enable_cloud_backup,
    "EraseDevice": _erase,
    "Extract": _extract,
    "Info": _info,
    "List": _list,
    "Remove": _removed,
    "Restore": _restore,
    "Unback": _unback,
}
