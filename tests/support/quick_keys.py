"""Repositories of restic whose password is tried quickly: the real ones spend a tenth of a second on it, each call.

A key file has the repository's own key, encrypted with one that scrypt makes from the password. Here scrypt is told to
take almost no time; everything else, and restic itself, is as always.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.poly1305 import Poly1305

from ibackup.copies.restic_engine import ResticEngine

_QUICK = {"N": 2, "r": 1, "p": 1}
SERVED: dict[int, Path] = {}
"""What the servers of tests serve, by their ports."""


@contextmanager
def quick_keys() -> Iterator[None]:
    """Repositories that are made within this are quick to open."""
    create = ResticEngine.create

    def quick(engine: ResticEngine) -> str:
        ident = create(engine)
        address = engine.program.address
        if address.kind == "folder":
            quicken(Path(address.path), engine.program.password)
        elif address.kind == "rest":
            url = urlsplit(address.text.partition(":")[2])
            if url.port in SERVED:
                quicken(SERVED[url.port] / url.path.strip("/"), engine.program.password)
        return ident

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResticEngine, "create", quick)
        yield


def quicken(repository: Path, password: str) -> None:
    """Replace the key file of a new repository."""
    (path,) = (repository / "keys").iterdir()
    key = json.loads(path.read_bytes())
    if key["N"] == _QUICK["N"]:
        return
    sealed = base64.b64decode(key["data"])
    plain = _aes(_derived(key, password)[0], sealed[:16], sealed[16:-16])
    key |= _QUICK
    encryption, mac_k, mac_r = _derived(key, password)
    nonce = os.urandom(16)
    text = _aes(encryption, nonce, plain)
    once = Cipher(algorithms.AES(mac_k), modes.ECB()).encryptor().update(nonce)
    key["data"] = base64.b64encode(nonce + text + Poly1305.generate_tag(mac_r + once, text)).decode()
    data = json.dumps(key).encode()
    path.unlink()
    path.with_name(hashlib.sha256(data).hexdigest()).write_bytes(data)


def _derived(key: dict[str, object], password: str) -> tuple[bytes, bytes, bytes]:
    """The key of AES, and the two of Poly1305-AES."""
    n, r, p = (int(str(key[name])) for name in ("N", "r", "p"))
    salt = base64.b64decode(str(key["salt"]))
    made = hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=1 << 28, dklen=64)
    return made[:32], made[32:48], made[48:]


def _aes(key: bytes, nonce: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.CTR(nonce)).encryptor().update(data)
