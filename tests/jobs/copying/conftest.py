"""The store that is copied, and new copies of it."""

import shutil
from pathlib import Path

import pytest

from copies.conftest import PASSWORD, backed_up  # noqa: F401 - a fixture
from ibackup.base.events import ignore
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.engine_kinds import RESTIC, EngineKind
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.jobs.copying.copy_adding import add
from ibackup.store.phone_folder import PhoneFolder


@pytest.fixture
def folder(
    backed_up: PhoneFolder,  # noqa: F811 - the fixture
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> PhoneFolder:
    """A copy of the phone's folder, for one test."""
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    path = tmp_path / "store" / backed_up.udid
    shutil.copytree(backed_up.path, path)
    return PhoneFolder(str(path))


def new_copy(to: str, tmp_path: Path, kind: EngineKind = RESTIC) -> OpenedCopy:
    """A new copy called usb, and its config beside it."""
    planned = CopyConfig("usb", to, repository_id="", engine=kind.name)
    password = PASSWORD if kind.has_password else ""
    done = add(planned, password, tmp_path / "config.toml", ignore)
    assert done.made
    return OpenedCopy.open(done.config, password)
