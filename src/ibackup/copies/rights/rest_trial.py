"""Tries what this computer may do on a server of restic's REST protocol."""

import base64
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit, urlunsplit

from ibackup.base.errors import IbackupError
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.rights import own_object
from ibackup.copies.rights.copy_rights import RightsAnswer, RightsTrial, TriedAct
from ibackup.copies.rights.http_asking import HttpAnswer, ask


def try_on_rest(address: CopyAddress, variables: Mapping[str, str]) -> RightsTrial:
    """Add an object of its own to the data, add it again, remove it.

    Args:
        address: of the repository.
        variables: restic's, from the file with credentials.

    Raises:
        CopyMissing: the server does not answer.
        IbackupError: nothing can be added there.
    """
    whole = urlsplit(address.text.partition(":")[2])
    user, password = unquote(whole.username or ""), unquote(whole.password or "")
    if not user and not password:  # as restic does it
        user = variables.get("RESTIC_REST_USERNAME", "")
        password = variables.get("RESTIC_REST_PASSWORD", "")
    headers = {"Content-Type": "application/octet-stream"}
    if user:
        headers["Authorization"] = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"
    path = f"{whole.path.rstrip('/')}/{own_object.FOLDER}/{own_object.HASHED_NAME}"
    url = urlunsplit((whole.scheme, whole.netloc.rpartition("@")[2], path, "", ""))

    def send(method: str, data: bytes | None = None) -> HttpAnswer:
        return ask(method, url, data=data, headers=headers, authority=variables.get("RESTIC_CACERT"))

    added = send("POST", own_object.CONTENT)
    if not added.is_done and not send("HEAD").is_done:
        raise IbackupError(
            f"Nothing can be added to {address.shown}: the server answered {added.status}.",
            hint="Check the user and the password of the server.",
        )
    # The content stays the same: servers compare it with the name. Only another server's rules may let it through.
    over = _answer(send("POST", own_object.CONTENT))
    removed = _answer(send("DELETE"))
    left = send("HEAD").is_done
    if removed == "done" and left:
        removed = "refused"
    return RightsTrial((TriedAct("overwrite", over), TriedAct("remove", removed)), path if left else "")


def _answer(said: HttpAnswer) -> RightsAnswer:
    return "done" if said.is_done else "refused" if said.is_refusal else "untried"
