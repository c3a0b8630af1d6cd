"""The one way to open an encrypted backup; a run makes one ``Unlocker`` and gives it to every job."""

import contextlib
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from ibackup.apple.backup import Backup
from ibackup.base.errors import PasswordWrong
from ibackup.base.events import Caution, Observer, PhaseStarted, ignore
from ibackup.vault.keychain import Keychain, KeychainTrouble

T = TypeVar("T")
PasswordSource = Callable[[str], str | None]
"""Gives the password of a phone's backups by its UDID, or None; may raise PasswordNeeded."""


@dataclass(frozen=True)
class Unlocker:
    """Everything that a run can open encrypted backups with; without arguments, that is nothing.

    The key of a password is derived once for each keybag, however many jobs open that backup.

    Attributes:
        password: asked first, once for each phone and once more after each ``again``.
        again: asked after a wrong password: whether ``password`` now gives another one, newly typed.
        find_keychain: returns what else may open a backup; None if there is no keychain, or the user gave the password.
        observe: gets the phases, and a warning if only another spelling of the password opens a backup.
    """

    password: PasswordSource = lambda _udid: None
    again: Callable[[PasswordWrong], bool] = lambda _error: False
    find_keychain: Callable[[], Keychain | None] = lambda: None
    observe: Observer = ignore
    _answers: dict[str, str | None] = field(default_factory=dict, init=False, repr=False)
    _keys: dict[tuple[bytes | None, str], bytes] = field(default_factory=dict, init=False, repr=False)
    _meant: dict[tuple[bytes | None, str], str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        ask = self.password

        def remembered(udid: str) -> str | None:
            if udid not in self._answers:
                self._answers[udid] = ask(udid)
            return self._answers[udid]

        object.__setattr__(self, "password", remembered)

    # -- for those who only read the backup -------------------------------------------------------------------

    def open(self, backup: Backup, udid: str | None = None, phase: PhaseStarted | None = None) -> None:
        """Open a backup with whatever there is; if there is nothing, it stays locked.

        It first tries a stored key for exactly this keybag, because that takes no time; then it does as
        ``find_password``.

        Args:
            backup: the backup to open.
            udid: of its phone; None: as the backup itself says.
            phase: announced once there is a password, because trying it takes a second or more.

        Raises:
            PasswordWrong: there was a password, and neither it nor another opens this backup.
        """
        if not backup.unlocked and not self.open_by_key(backup, udid):
            self.find_password(backup, udid, phase)

    def open_by_key(self, backup: Backup, udid: str | None = None) -> bool:
        """Open it with a derived key that the keychain has for exactly this keybag; returns whether there is one."""
        keybag = backup.manifest.keybag
        keychain = self.find_keychain() if keybag is not None and backup.key_is_enough else None
        if keychain is None or keybag is None:
            return False
        with contextlib.suppress(KeychainTrouble, PasswordWrong):
            stored = keychain.key(udid or backup.udid)
            if stored is not None and stored.fits(keybag):
                backup.unlock_with_key(stored.key)
                return True
        return False

    # -- for those who need the password itself, for example to give it to a phone ----------------------------

    def find_password(
        self, backup: Backup, udid: str | None = None, phase: PhaseStarted | None = None
    ) -> str | None:
        """Open a backup with a password and return that password; None if there is none to try.

        After the given password, it tries the keychain's from before or during a change, for older snapshots.

        Raises:
            PasswordWrong: see ``open``.
        """
        udid = udid or backup.udid

        def attempt() -> str | None:
            try:
                found = self._given(backup, udid, phase)
            except PasswordWrong:
                found = self._kept(backup, udid)
                if found is None:
                    raise
            return self._kept(backup, udid) if found is None else found

        return self.retrying(attempt)

    def prove_given(
        self, backup: Backup, udid: str | None = None, phase: PhaseStarted | None = None
    ) -> str | None:
        """The same with the given password alone, to find out whether it is right."""
        return self.retrying(lambda: self._given(backup, udid or backup.udid, phase, anew=True))

    def opens(self, backup: Backup, password: str) -> bool:
        """Whether exactly this password opens a backup, which then is open."""
        with contextlib.suppress(PasswordWrong):
            self._try(backup, password)
            return True
        return False

    def first_of(self, backup: Backup, passwords: Iterable[str | None]) -> str | None:
        """The first of these passwords that opens a backup; None if none does."""
        return next((each for each in dict.fromkeys(passwords) if each and self.opens(backup, each)), None)

    def key(self, backup: Backup, password: str) -> bytes:
        """The key that a password gives for a backup. Raises FormatError: the keybag is damaged."""
        known = (backup.manifest.keybag, password)
        if known not in self._keys:
            self._keys[known] = backup.keybag.derive(password)
        return self._keys[known]

    def retrying(self, attempt: Callable[[], T]) -> T:
        """Run an attempt, and repeat it while someone types another password. Raises what the attempt raises."""
        while True:
            try:
                return attempt()
            except PasswordWrong as error:
                if not self.again(error):
                    raise
                self._answers.clear()

    def _given(
        self, backup: Backup, udid: str, phase: PhaseStarted | None, *, anew: bool = False
    ) -> str | None:
        """Open it with the given password, or with what was probably meant; returns the one that opened it.

        Editors and keyboards encode the same text in several ways that look the same.
        """
        given = self.password(udid)
        if given is None:
            return None
        if phase is not None:
            self.observe(phase)
        known = (backup.manifest.keybag, given)
        meant = given if anew else self._meant.get(known, given)
        try:
            self._try(backup, meant)
        except PasswordWrong:
            spellings = _spellings(given)
            other = self.first_of(backup, spellings)
            if other is None:
                raise
            text = f"The password opens this backup only {spellings[other]}."
            self.observe(Caution(text, "Correct it where you store it."))
            self._meant[known] = meant = other
        return meant

    def _kept(self, backup: Backup, udid: str) -> str | None:
        keychain = self.find_keychain()
        if keychain is not None:
            with contextlib.suppress(KeychainTrouble):  # reading the password has already reported it
                return self.first_of(backup, (keychain.pending(udid), *keychain.earlier(udid)))
        return None

    def _try(self, backup: Backup, password: str) -> None:
        if backup.is_encrypted:
            backup.unlock_with_key(self.key(backup, password), password)


_QUOTED = ('""', "''")
_TYPED = str.maketrans("\u2018\u2019\u201c\u201d\u00a0\u202f", "''\"\"  ")
"""What programs for notes and letters make of quotes and spaces that someone types."""


def _spellings(password: str) -> dict[str, str]:
    """Other spellings of a password, and how each differs from it."""
    seen = "".join(char for char in password if unicodedata.category(char) not in ("Cc", "Cf"))
    tidy = seen.strip()
    found: dict[str, str] = {}
    for text, how in (
        (password.rstrip(), "without the space at its end"),
        (seen, "without its invisible characters"),
        (tidy, "without the spaces around it"),
        (tidy[1:-1] if tidy[:1] + tidy[-1:] in _QUOTED else "", "without the quotes around it"),
        (tidy.translate(_TYPED), "with straight quotes and ordinary spaces"),
        (unicodedata.normalize("NFC", password), "with its accented letters as one character each"),
        (unicodedata.normalize("NFD", password), "with its accents as separate characters"),
        (
            unicodedata.normalize("NFC", tidy),
            "without spaces around it, and accented letters as one character each",
        ),
        (
            unicodedata.normalize("NFD", tidy),
            "without spaces around it, and accents as separate characters",
        ),
    ):
        if text and text != password:
            found.setdefault(text, how)
    return found
