"""The second copies of the config, opened with the passwords that are kept for them: for runs that can ask nobody."""

from ibackup.base.errors import PasswordNeeded
from ibackup.base.events import Observer
from ibackup.base.udids import same_udid
from ibackup.config.config_schema import Config
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.engine_kinds import kind_of
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.vault.given_passwords import GivenPasswords
from ibackup.vault.keychain import Keychain


def kept_password(copy: CopyConfig, observe: Observer) -> str | None:
    """The password as the config's file or command, or the keychain, has it. Raises PasswordNeeded, KeychainTrouble."""
    if not kind_of(copy).has_password:
        return None
    given = GivenPasswords(lambda _udid: None, observe, copy.password_file, copy.password_command).given()
    if given is None:
        keychain = Keychain.open()
        given = keychain.copy_password(copy.name) if keychain else None
    return given


def needs_password(copy: CopyConfig) -> PasswordNeeded:
    """The error for a copy whose password is not kept."""
    return PasswordNeeded(
        f"The copy {copy.name} needs its password.",
        hint="Write `password_file` or `password_command` into its [[copies]] table.",
    )


def opened_with_kept(copy: CopyConfig, observe: Observer) -> OpenedCopy:
    """The copy, ready for use. Raises IbackupError."""
    password = kept_password(copy, observe)
    if password is None and kind_of(copy).has_password:
        raise needs_password(copy)
    return OpenedCopy.open(copy, password or "")


def copies_for(config: Config, udid: str) -> list[CopyConfig]:
    """The copies to which a phone's snapshots go."""

    def is_meant(name: str) -> bool:
        known = config.phone(name)
        return same_udid(known.udid if known else name, udid)

    return [each for each in config.copies if not each.phones or any(map(is_meant, each.phones))]
