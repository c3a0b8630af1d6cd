"""Repositories of restic that are made and opened quickly: the real ones take two seconds, and a third for each call.

A key file has the repository's own key, encrypted with one that scrypt makes from the password. Here scrypt is told to
take almost no time. Since ``restic init`` tries out for how long scrypt takes here, only the first repository in a
folder comes from it; the next are its copies, each with an id of its own. All else, and restic itself, is as always.
"""

import base64
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from ibackup.copies.restic_engine import ResticEngine

_QUICK = {"N": 2, "r": 1, "p": 1}
SERVED: dict[int, Path] = {}
"""What the servers of tests serve, by their ports."""


@dataclass(frozen=True)
class _Key:
    """What encrypts: a key of AES, and the two of Poly1305-AES."""

    encryption: bytes
    mac_k: bytes
    mac_r: bytes

    @classmethod
    def derived(cls, key: dict[str, object], password: str) -> "_Key":
        """From the password, as a key file says."""
        n, r, p = (int(str(key[name])) for name in ("N", "r", "p"))
        salt = base64.b64decode(str(key["salt"]))
        made = hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=1 << 28, dklen=64)
        return cls(made[:32], made[32:48], made[48:])

    @classmethod
    def master(cls, plain: bytes) -> "_Key":
        """The repository's own, from what a key file holds."""
        held = json.loads(plain)
        texts = (held["encrypt"], held["mac"]["k"], held["mac"]["r"])
        return cls(*map(base64.b64decode, texts))

    def open(self, sealed: bytes) -> bytes:
        return self._aes(sealed[:16], sealed[16:-16])

    def seal(self, plain: bytes) -> bytes:
        nonce = os.urandom(16)
        text = self._aes(nonce, plain)
        once = Cipher(algorithms.AES(self.mac_k), modes.ECB()).encryptor().update(nonce)
        return nonce + text + Poly1305.generate_tag(self.mac_r + once, text)

    def _aes(self, nonce: bytes, data: bytes) -> bytes:
        return Cipher(algorithms.AES(self.encryption), modes.CTR(nonce)).encryptor().update(data)


@dataclass(frozen=True)
class _Model:
    """A repository that ``restic init`` made, to be copied.

    Attributes:
        folders: by their paths, each before those in it.
        files: what is in them, by their paths.
        password: what opens it.
    """

    folders: tuple[Path, ...]
    files: dict[Path, bytes]
    password: str

    @classmethod
    def read(cls, repository: Path, password: str) -> "_Model":
        found = sorted(repository.rglob("*"))
        files = {each.relative_to(repository): each.read_bytes() for each in found if each.is_file()}
        folders = tuple(each.relative_to(repository) for each in found if each.is_dir())
        return cls(folders, files, password)

    def copy(self, repository: Path, password: str) -> None:
        """Make what ``restic init`` would make."""
        for each in (Path(), *self.folders):
            (repository / each).mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, data in self.files.items():
            (repository / path).write_bytes(data)
        master = _Key.master(quicken(repository, self.password, password))
        config = repository / "config"
        facts = json.loads(master.open(config.read_bytes())) | {"id": secrets.token_hex(32)}
        config.write_bytes(master.seal(json.dumps(facts).encode()))


_models: dict[str, _Model] = {}
"""By the program that made them."""


@contextmanager
def quick_keys() -> Iterator[None]:
    """Repositories that are made within this are made quickly, and quick to open."""
    create = ResticEngine.create

    def quick(engine: ResticEngine) -> str:
        address, password = engine.program.address, engine.program.password
        if address.kind == "folder":
            return _in_folder(engine, Path(address.path), password)
        ident = create(engine)
        if address.kind == "rest":
            url = urlsplit(address.text.partition(":")[2])
            if url.port in SERVED:
                quicken(SERVED[url.port] / url.path.strip("/"), password)
        return ident

    def _in_folder(engine: ResticEngine, folder: Path, password: str) -> str:
        model = _models.get(program := os.path.realpath(shutil.which("restic") or ""))
        if model is not None and not (folder.exists() and any(folder.iterdir())):
            model.copy(folder, password)
            return engine.identity()
        ident = create(engine)
        quicken(folder, password)
        _models.setdefault(program, _Model.read(folder, password))
        return ident

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResticEngine, "create", quick)
        yield


def quicken(repository: Path, password: str, another: str | None = None) -> bytes:
    """Replace the key file of a new repository, perhaps by one for another password; returns what it holds."""
    (path,) = (repository / "keys").iterdir()
    key = json.loads(path.read_bytes())
    plain = _Key.derived(key, password).open(base64.b64decode(key["data"]))
    key |= _QUICK
    sealed = _Key.derived(key, another or password).seal(plain)
    data = json.dumps(key | {"data": base64.b64encode(sealed).decode()}).encode()
    path.unlink()
    path.with_name(hashlib.sha256(data).hexdigest()).write_bytes(data)
    return plain
