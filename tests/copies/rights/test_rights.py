"""Whether this computer could destroy a copy, tried on real folders and servers."""

import base64
import hashlib
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from copies.conftest import PASSWORD, Kept
from ibackup.base.errors import IbackupError
from ibackup.base.events import ignore
from ibackup.config.copy_config import CopyConfig
from ibackup.copies.copy_address import CopyAddress
from ibackup.copies.copy_errors import CopyMissing
from ibackup.copies.opened_copy import OpenedCopy
from ibackup.copies.restic_program import ResticProgram
from ibackup.copies.rights import own_object
from ibackup.copies.rights.copy_rights import CopyRights, RightsTrial, TriedAct
from ibackup.copies.rights.folder_trial import try_in_folder
from ibackup.copies.rights.rest_trial import try_on_rest
from ibackup.copies.rights.restic_trial import try_by_restic
from ibackup.jobs.copying.copy_adding import add
from ibackup.jobs.copying.copy_rights_check import check_rights
from ibackup.store.disk.record_times import now
from support.copy_servers import put_first, rclone_restic, rest_server
from support.made_certificate import make_certificate


def answers(trial: RightsTrial) -> dict[str, str]:
    return {each.act: each.answer for each in trial.acts}


def test_a_folder_that_its_user_writes_can_be_destroyed_and_is_left_as_it_was(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "pack").write_text("a backup")
    trial = try_in_folder(str(tmp_path))
    assert (answers(trial), trial.left) == ({"overwrite": "done", "remove": "done"}, "")
    assert [path.read_text() for path in data.iterdir()] == ["a backup"]
    with pytest.raises(IbackupError, match="Nothing can be written"):
        try_in_folder(str(tmp_path / "none"))


def test_a_folder_in_which_files_can_only_be_added_refuses(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    if not shutil.which("chattr") or subprocess.run(["chattr", "+a", data], check=False).returncode:
        pytest.skip("no folder here can be one in which nothing is removed")
    try:
        trial = try_in_folder(str(tmp_path))
        # The file itself is an ordinary one, so its user may write over it.
        assert answers(trial) == {"overwrite": "done", "remove": "refused"}
        assert trial.left == str(data / own_object.NAME)
        assert try_in_folder(str(tmp_path)).left == trial.left  # nothing piles up
        assert len(os.listdir(data)) == 1
    finally:
        subprocess.run(["chattr", "-a", data], check=True)


@pytest.mark.peer
@pytest.mark.parametrize("program", ["restic-rest-server", "rclone"])
def test_a_server_that_only_takes_refuses_and_another_does_not(
    tmp_path: Path, program: str, require_tool: Callable[[str], str]
) -> None:
    require_tool(program)
    serve = rest_server if program == "restic-rest-server" else rclone_restic
    path = tmp_path / "served"
    with serve(path, "--append-only") as server:
        address = CopyAddress.parse(f"rest:{server.address}ann")
        urllib.request.urlopen(f"{server.address}ann/?create=true", data=b"").close()
        for _ in range(2):
            trial = try_on_rest(address, {})
            assert answers(trial) == {"overwrite": "refused", "remove": "refused"}
            assert trial.left == f"/ann/data/{own_object.HASHED_NAME}"
        assert [found.name for found in (path / "ann" / "data").rglob("*") if found.is_file()] == [
            own_object.HASHED_NAME
        ]
    with serve(path) as server:
        trial = try_on_rest(CopyAddress.parse(f"rest:{server.address}ann"), {})
        assert (answers(trial)["remove"], trial.left) == ("done", "")
    with pytest.raises(CopyMissing):
        try_on_rest(CopyAddress.parse(f"rest:{server.address}ann"), {})


@pytest.mark.peer
def test_a_server_as_the_documentation_has_it_takes_only_from_its_user(
    tmp_path: Path, require_tool: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    require_tool("restic-rest-server")
    put_first(require_tool("newer-restic"), tmp_path / "bin", monkeypatch)
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    served = tmp_path / "served"
    served.mkdir()
    digest = base64.b64encode(hashlib.sha1(b"Geheim 7").digest()).decode()
    (served / ".htpasswd").write_text(f"ann:{{SHA}}{digest}\n")
    certificate, key = make_certificate(tmp_path)
    options = ["--private-repos", "--append-only", "--tls", "--tls-cert", certificate, "--tls-key", key]
    with rest_server(served, *options, users=True) as server:
        host = f"127.0.0.1:{server.port}"
        keys = tmp_path / "keys"
        keys.write_text(
            f"RESTIC_REST_USERNAME=ann\nRESTIC_REST_PASSWORD=Geheim 7\nRESTIC_CACERT={certificate}\n"
        )
        planned = CopyConfig("nas", f"rest:https://{host}/ann/laptop", "", key_file=str(keys))
        copy = OpenedCopy.open(add(planned, PASSWORD, tmp_path / "config.toml", ignore).config, PASSWORD)
        assert answers(check_rights(copy, ignore).trial) == {"overwrite": "refused", "remove": "refused"}
        trust = {"RESTIC_CACERT": certificate}
        inside = CopyAddress.parse(f"rest:https://ann:Geheim%207@{host}/ann/laptop")
        assert answers(try_on_rest(inside, trust))["remove"] == "refused"
        for address in f"rest:https://{host}/ann/laptop", f"rest:https://ann:Geheim%207@{host}/bob/laptop":
            with pytest.raises(IbackupError, match="the server answered 401"):
                try_on_rest(CopyAddress.parse(address), trust)
        with pytest.raises(CopyMissing, match="does not answer"):
            try_on_rest(inside, {})


@pytest.mark.peer
@pytest.mark.parametrize("version", ["restic", "newer-restic"])
def test_restic_itself_finds_out_where_nothing_else_can(
    repository: Kept,
    tmp_path: Path,
    version: str,
    require_tool: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put_first(require_tool(version), tmp_path / "bin", monkeypatch)
    require_tool("restic-rest-server")
    served = repository.path.parent
    for options, answer in (("--append-only",), "refused"), ((), "done"):
        with rest_server(served, *options) as server:
            address = CopyAddress.parse(f"rest:{server.address}copy")
            program = ResticProgram("nas", address, PASSWORD, cache=str(tmp_path / "cache"))
            trial = try_by_restic(program)
        assert answers(trial) == {"overwrite": "untried", "remove": answer}
        assert len(list((repository.path / "snapshots").iterdir())) == (1 if trial.left else 0)
    assert repository.engine.held() == []


def test_what_was_found_is_kept_for_that_repository_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBACKUP_STATE_DIR", str(tmp_path / "state"))
    assert CopyRights.read("usb", "a" * 64) is None
    found = CopyRights("a" * 64, now(), RightsTrial((TriedAct("remove", "done", "why"),), "data/x"))
    found.write("usb")
    assert CopyRights.read("usb", "a" * 64) == found
    assert found.destroys
    assert CopyRights.read("usb", "b" * 64) is None
    (tmp_path / "state" / "copy-usb.rights.json").write_text("{}")
    assert CopyRights.read("usb", "a" * 64) is None
