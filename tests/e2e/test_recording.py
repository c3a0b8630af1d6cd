"""``--record``: a trace of a session that tells what was said, and nothing of whose phone it is."""

import hashlib
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.simulator.faults import DropInPhase, ErrorCodeAt, UnreadableFile
from ibackup.simulator.phone_trust import escrow_bag
from ibackup.simulator.spec import AppSpec, DomainSpec, Passcode, PhoneSpec
from support.program import MakeProgram, Program
from support.runs import SMALL

SECRET = "Zaunkönig-MARKED-4711"
SECRET_TOO = "Wiedehopf-MARKED-1848"
MARKED = replace(
    SMALL,
    seed=909,
    name="Zoë MARKED iPhone",
    apps=(AppSpec(bundle_id="org.marked.diary", name="Marked", groups=("group.org.marked.diary",)),),
    backup_password=SECRET,
    passcode=Passcode(kind="answered", delay_s=0.01),
)
MINE = ("Library/Marked/Zoe.txt", "HomeDomain", "Media/MarkedAlbum/secret.jpg", "CameraRollDomain")


def lines(trace: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in trace.read_text(encoding="ascii").splitlines()]


def give(program: Program) -> list[str]:
    """Files with telling names; what may be nowhere in a trace."""
    spec = program.phone.spec
    content = program.phone.files
    content.write("HomeDomain", "Library/Marked/Zoe.txt", b"MARKED content")
    content.write("CameraRollDomain", "Media/MarkedAlbum/secret.jpg", b"MARKED picture")
    ids = [entry.file_id for entry in content.files()]
    ids.append(hashlib.sha1(b"HomeDomain-Library/Marked/Zoe.txt").hexdigest())
    telling = [entry.path.rpartition("/")[2] for entry in content.files()]
    identity = [spec.udid, spec.udid.replace("-", ""), spec.serial, spec.imei, spec.iccid, spec.phone_number]
    identity += [
        spec.wifi_address,
        spec.name,
        "org.marked",
        "Marked",
        "MARKED",
        "Zoe",
        "Zo\\u00eb",
        "secret.jpg",
    ]
    secrets = [SECRET, SECRET_TOO, escrow_bag(spec).hex(), "PRIVATE KEY", str(program.folder)]
    return [*ids, *(name for name in telling if len(name) > 6), *identity, *secrets]


def assert_tells_nothing(trace: Path, unwanted: list[str]) -> None:
    text = trace.read_text(encoding="ascii")
    decoded = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines(trace))
    for each in unwanted:
        assert each.casefold() not in text.casefold(), each
        assert each.casefold() not in decoded.casefold(), each
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600


@pytest.mark.promise("No secret leaks")
def test_a_trace_reports_nothing_of_whose_phone_it_is(make_program: MakeProgram) -> None:
    program = make_program(MARKED)
    unwanted = give(program)
    password, new = (program.folder / name for name in ("password", "new"))
    password.write_text(SECRET + "\n", encoding="utf-8")
    new.write_text(SECRET_TOO + "\n", encoding="utf-8")
    for path in (password, new):
        path.chmod(0o600)
    here = ["--password-file", str(password)]
    traces = {name: program.folder / f"{name}.trace" for name in ("now", "again", "refused", "lost")}

    program.now(*here, "--record", str(traces["now"]))
    program.phone.change(added=3, changed=2, removed=1)
    program.now(*here, "--record", str(traces["again"]))
    telling = f"Cannot read /var/mobile/Marked/Zoe.txt of {MARKED.name} with {SECRET} ({MARKED.serial})"
    program.phone.set_faults(ErrorCodeAt(where="end", code=100, text=telling))
    program.now(*here, "--record", str(traces["refused"]), code=12)
    program.phone.set_faults(DropInPhase(phase="uploading", after=1))
    program.phone.change(added=9)
    program.now(*here, "--record", str(traces["lost"]), code=13)
    program.phone.set_faults()
    for name, arguments in {
        "restore": ["restore", "--yes", "--skip-verify", *here],
        "change": ["encryption", "change", *here, "--new-password-file", str(new), "--no-keychain"],
        "off": ["encryption", "off", "--yes", "--password-file", str(new)],
        "on": ["encryption", "on", "--new-password-file", str(password), "--no-keychain"],
    }.items():
        traces[name] = program.folder / f"{name}.trace"
        program.run(*arguments, "--record", str(traces[name]))

    for name, trace in traces.items():
        assert_tells_nothing(trace, unwanted)
        told = lines(trace)
        assert told[0]["trace"] == 1, name
        assert "end" in told[-1], name
        assert any(line.get("open") == "com.apple.mobilebackup2" for line in told), name
    refused = [line for line in lines(traces["refused"]) if "ErrorDescription" in str(line)]
    assert "MBErrorDomain/100" in str(refused)
    assert lines(traces["refused"])[-1]["end"] == {"exit": 12, "error": "PhoneRefused", "code": 100}
    assert lines(traces["lost"])[-1]["end"] == {"exit": 13, "error": "ConnectionLost", "code": None}


def test_what_a_trace_holds(make_program: MakeProgram) -> None:
    """Every service in outline, DeviceLink in full: requests, answers, files with their sizes, the phases."""
    program = make_program(replace(SMALL, passcode=Passcode(kind="answered", delay_s=0.01)))
    program.phone.files.write("HomeDomain", "Library/locked", b"in use")
    program.phone.set_faults(UnreadableFile(domain="HomeDomain", path="Library/locked", after=3))
    trace = program.folder / "trace"
    program.now("--record", str(trace), code=3)
    told = lines(trace)
    services = {line["open"] for line in told if "open" in line}
    assert services == {
        "usbmuxd",
        "lockdownd",
        "com.apple.afc",
        "com.apple.mobile.installation_proxy",
        "com.apple.mobile.notification_proxy",
        "com.apple.springboardservices",
        "com.apple.mobilebackup2",
    }
    (number,) = {line["c"] for line in told if line.get("open") == "com.apple.mobilebackup2"}
    mine = [line for line in told if line.get("c") == number]
    came = [line["<"][0] for line in mine if "<" in line]  # type: ignore[index]
    assert came[:2] == ["DLMessageVersionExchange", "DLMessageDeviceReady"]
    assert came.count("DLMessageCreateDirectory") == 514
    assert {"DLMessageUploadFiles", "DLMessageMoveItems", "DLMessageRemoveItems"} <= set(came)
    states = [line["says"]["SnapshotState"] for line in mine if line.get("plist") == "Status.plist"]  # type: ignore[index]
    assert states[:4] == ["uploading", "moving", "removing", "finished"]
    rows = [row for line in mine if line.get("files") == "<" for row in line["list"]]  # type: ignore[attr-defined]
    sent = [row for row in rows if "/Snapshot/" in row[0] and "Manifest" not in row[0]]
    uploaded = {row[0] for row in sent if len(row) < 4}
    moved = {
        source
        for line in mine
        if "<" in line and line["<"][0] == "DLMessageMoveItems"  # type: ignore[index]
        for source in line["<"][1]  # type: ignore[index]
    }
    assert uploaded <= moved
    (*_, code, text) = next(row for row in sent if len(row) > 3)
    assert code == 11
    assert text
    times = [line["t"] for line in told if "t" in line]
    assert times == sorted(times)  # type: ignore[type-var]


def test_it_stays_small(make_program: MakeProgram) -> None:
    """A run of 100,000 files stays below 20 MB; what does not grow with the files is left out of the sum."""
    many = PhoneSpec(
        domains=(DomainSpec(name="AppDomain-org.example.far.down", count=1500, min_size=0, max_size=99),),
        seed=4,
    )
    sizes = []
    for name, spec in (("few", replace(many, domains=())), ("many", many)):
        program = make_program(spec)
        trace = program.folder / f"{name}.trace"
        program.run("now", "--patience", "0", "--phone", spec.udid, "--record", str(trace))
        sizes.append(trace.stat().st_size)
    assert (sizes[1] - sizes[0]) / 1500 * 100_000 + sizes[0] < 20_000_000


@pytest.mark.parametrize("kind", ["file", "link to nowhere", "no folder"])
def test_where_a_trace_may_not_go(program: Program, kind: str) -> None:
    place = program.folder / "there"
    if kind == "file":
        place.write_text("kept")
    elif kind == "link to nowhere":
        place.symlink_to(program.folder / "elsewhere")
    else:
        place = place / "trace"
    done = program.run("now", "--patience", "0", "--record", str(place), code=2)
    assert "choose another" in done.err.casefold()
    assert not program.store.exists()
    assert not (program.folder / "elsewhere").exists()
    if kind == "file":
        assert place.read_text() == "kept"
