"""Programs to race against that would not fit into ibackup's own environment: they get one of their own.

mvt brings its own versions of packages that ibackup's checks pin otherwise.
"""

import os
import subprocess
import sys
import venv

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MVT = "mvt==2026.10.26"
_FOLDER = os.path.join(ROOT, ".venv-peers")
_STAMP = os.path.join(_FOLDER, "stamp")


def mvt_ios() -> str | None:
    """The path of ``mvt-ios``, installed when it is asked for first; None, and told, where that does not work."""
    bin_ = os.path.join(_FOLDER, "Scripts" if sys.platform == "win32" else "bin")
    program = os.path.join(bin_, "mvt-ios")
    if _stamp() == MVT:
        return program
    print(f"Installing {MVT} into {_FOLDER}.", file=sys.stderr)
    venv.create(_FOLDER, with_pip=True, clear=True)
    done = subprocess.run([os.path.join(bin_, "python"), "-m", "pip", "install", "--quiet", MVT], check=False)
    if done.returncode:
        print("mvt cannot be installed, so it is left out.", file=sys.stderr)
        return None
    with open(_STAMP, "w", encoding="utf-8") as file:
        file.write(MVT)
    return program


def _stamp() -> str:
    try:
        with open(_STAMP, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
