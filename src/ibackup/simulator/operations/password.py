"""The ChangePassword request: the phone's setting, and the keybag of a backup that the computer offers."""

import os

from ibackup.simulator import keybags
from ibackup.simulator.hostfiles import WrittenManifestPlist
from ibackup.simulator.operations.attacks import send_unknown
from ibackup.simulator.operations.operation_session import MBError, Session


class ChangePassword:
    """One ChangePassword request.

    Args:
        session: the operation.
        old: the current password; None if none is given.
        new: the new password; None to switch encryption off.
    """

    def __init__(self, session: Session, old: str | None, new: str | None) -> None:
        self._session = session
        self._phone = session.phone
        self._old = old
        self._new = new

    def run(self) -> None:
        """Change the password.

        Raises:
            MBError: 207, the old password is wrong; 208, no passcode.
        """
        session, phone = self._session, self._phone
        session.ask_passcode((13,))
        session.may_fail("start")
        send_unknown(session)
        known = phone.backup_password
        if known is not None and known != self._old:
            phone.set_backup_password(known)  # a phone posts again that it encrypts
            raise MBError(207, "Invalid password")
        phone.set_backup_password(self._new)
        if self._new is not None:
            self._rewrap(self._new)
        session.may_fail("end")

    def _rewrap(self, new: str) -> None:
        """Put the keybag of the backup, if there is one, under the new password."""
        session, udid = self._session, self._phone.udid
        for path in (f"{udid}/Snapshot/Manifest.plist", f"{udid}/Manifest.plist"):
            found = session.fetch(path)
            if found is not None:
                break
        else:
            return
        try:
            plist = WrittenManifestPlist.parse(found)
            if not plist.encrypted or self._old is None:
                return
            keybag = keybags.unlock(plist.keybag, self._old)
        except ValueError:
            return  # an unreadable backup keeps its password; the phone's own password changes anyway
        if keybag is not None:
            fresh = plist.with_keybag(keybags.rewrap(keybag, new, seed=os.urandom(32)).data).dump()
            session.store(path, [fresh], len(fresh))
