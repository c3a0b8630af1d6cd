"""The ChangePassword request: the phone's setting, and the keybag of a backup that the computer shows."""

import os

from ibackup.simulator import keybags
from ibackup.simulator.hostfiles import ManifestPlist
from ibackup.simulator.operations.session import MBError, Session


class ChangePassword:
    """One ChangePassword request.

    Args:
        session: the operation.
        old: the password so far, None when none is given.
        new: the new one, None to switch encryption off.
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
        known = phone.backup_password
        if known is not None and known != self._old:
            phone.set_backup_password(known)  # a phone says once more that it encrypts
            raise MBError(207, "Invalid password")
        phone.set_backup_password(self._new)
        if self._new is not None:
            self._rewrap(self._new)
        session.may_fail("end")

    def _rewrap(self, new: str) -> None:
        """Put the keybag of the backup on the computer, if there is one, under the new password."""
        session, udid = self._session, self._phone.udid
        for path in (f"{udid}/Snapshot/Manifest.plist", f"{udid}/Manifest.plist"):
            found = session.fetch(path)
            if found is not None:
                break
        else:
            return
        try:
            plist = ManifestPlist.parse(found)
            if not plist.encrypted or self._old is None:
                return
            keybag = keybags.unlock(plist.keybag, self._old)
        except ValueError:
            return  # a backup that cannot be read keeps its password; the phone's own is changed all the same
        if keybag is not None:
            fresh = plist.with_keybag(keybags.rewrap(keybag, new, seed=os.urandom(32)).data).dump()
            session.store(path, [fresh], len(fresh))
