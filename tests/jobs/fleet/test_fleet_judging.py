"""What the reports of a fleet's computers say, and what is done to them by those who can write to the bucket."""

import json
import subprocess
from base64 import b64decode
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ibackup.base.exit_codes import ExitCode
from ibackup.copies.fleet.fleet_keys import NotGenuine, SigningKey, opened
from ibackup.copies.fleet.host_records import HostRecord
from ibackup.copies.fleet.host_statuses import HostStatus, ReportedBackup, ReportedCopy, StatusName
from ibackup.copies.fleet.keeper_findings import KeeperFinding, KeeperFindings
from ibackup.jobs.fleet.fleet_judging import FleetStanding, SeenReports, judge, replaced
from ibackup.jobs.fleet.fleet_keeping import rules_for
from ibackup.jobs.fleet.opened_fleet import Hosts
from ibackup.jobs.keeping.retention import RetentionRules
from ibackup.store.disk import record_times
from ibackup.view.fleet_pages import page_alone

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
KEYS = {"desk": SigningKey.new(), "lab": SigningKey.new()}
ANN, BOB = "00008101-000A0B0C0D0E0F01", "00008101-000A0B0C0D0E0F02"


def host(name: str, *udids: str, **changes: object) -> HostRecord:
    record = HostRecord(name, KEYS[name].public, dict.fromkeys(udids, "id"), 1, NOW - timedelta(days=99))
    return replace(record, **changes)  # type: ignore[arg-type]


def report(
    name: str = "desk", udid: str = ANN, days: float = 0.5, sequence: int = 7, **changes: object
) -> HostStatus:
    when = NOW - timedelta(days=days)
    backup = ReportedBackup(
        "20261130T020004Z", when - timedelta(hours=1), 300_000, 64 * 10**9, True, "e" * 64
    )
    copy = ReportedCopy("c" * 64, backup.snapshot, when, when, when)
    status = HostStatus(name, udid, "Ann’s iPhone", sequence, when, 0, backup, copy)  # noqa: RUF001 - as phones spell it
    return replace(status, **changes)  # type: ignore[arg-type]


def judged(
    objects: dict[StatusName, bytes],
    *hosts: HostRecord,
    seen: SeenReports | None = None,
    findings: dict[str, KeeperFinding] | None = None,
) -> FleetStanding:
    def read(names: Collection[StatusName]) -> dict[StatusName, bytes]:
        return {name: objects[name] for name in names if name in objects}

    who = Hosts({each.host: each for each in hosts or (host("desk", ANN),)}, ())
    found = KeeperFindings(NOW, findings) if findings else None
    return judge(who, list(objects), read, seen or SeenReports(), found, lambda _: 7 * 86400.0, NOW)


def put(*reports: HostStatus) -> dict[StatusName, bytes]:
    return {each.name: each.signed(KEYS[each.host]) for each in reports}


def kinds(standing: FleetStanding) -> list[str]:
    return [each.kind for each in standing.all_problems]


def test_a_phone_that_two_computers_back_up_is_as_good_as_the_newest_backup() -> None:
    old = report("desk", days=9, last_backup=replace(report().last_backup, made=NOW - timedelta(days=9)))  # type: ignore[type-var]
    standing = judged(put(old, report("lab", sequence=1)), host("desk", ANN), host("lab", ANN))
    (phone,) = standing.phones
    assert (phone.newest_host, phone.name, phone.hosts) == ("lab", "Ann’s iPhone", ("desk", "lab"))  # noqa: RUF001
    assert (kinds(standing), standing.code) == ([], ExitCode.OK)


def test_old_backups_old_reports_and_phones_that_nobody_reports_are_stale() -> None:
    stale = report(last_backup=replace(report().last_backup, made=NOW - timedelta(days=8)))  # type: ignore[type-var]
    assert kinds(judged(put(stale))) == ["stale"]
    assert kinds(judged(put(report(days=8)))) == ["silent", "stale"]
    nobody = judged({})
    assert (kinds(nobody), nobody.code) == (["silent"], ExitCode.STALE)
    assert kinds(judged(put(report(last_backup=None)))) == ["stale"]
    ahead = report(last_backup=replace(report().last_backup, made=NOW + timedelta(days=3)))  # type: ignore[type-var]
    assert kinds(judged(put(ahead))) == ["future", "stale"]


def test_damage_counts_whether_a_computer_or_the_keeper_found_it() -> None:
    theirs = judged(put(report(damage=("Snapshot 1 is damaged.",))))
    assert (kinds(theirs), theirs.code) == (["damaged"], ExitCode.DAMAGE)
    keepers = judged(put(report()), findings={ANN: found(0, "A pack is missing.")})
    assert (kinds(keepers), keepers.code) == (["damaged"], ExitCode.DAMAGE)


def test_what_others_sign_counts_for_nothing_and_the_report_before_it_counts() -> None:
    objects = put(report(days=1, sequence=6), report(days=0.1))
    newest = max(objects)
    for forged in (
        SigningKey.new().signed(json.loads(objects[newest])),
        objects[newest].replace(b'"files":300000', b'"files":300001'),
        b"{}",
        b"[" * 10_000,
        b"",
        KEYS["desk"].signed({"kind": "ibackup fleet host"}),
    ):
        standing = judged({**objects, newest: forged})
        assert (kinds(standing), standing.code) == (["forged"], ExitCode.DAMAGE)
        assert standing.phones[0].reports[0].sequence == 6


def test_an_old_report_under_a_new_name_and_newer_ones_that_are_gone_are_replayed() -> None:
    old = report(days=3, sequence=5)
    again = replace(old, written=NOW - timedelta(hours=1)).name
    standing = judged({**put(old), again: old.signed(KEYS["desk"])})
    assert kinds(standing) == ["replayed"]
    seen = SeenReports()
    assert kinds(judged(put(report(sequence=9)), seen=seen)) == []
    assert kinds(judged(put(report(days=2, sequence=8)), seen=seen)) == ["replayed"]
    assert seen.sequences == {f"{ANN}/desk/1": 9}
    # A computer that got another key begins again, and what it signed with the first one is no forgery.
    KEYS["desk2"] = SigningKey.new()
    rekeyed = host(
        "desk", ANN, public_key=KEYS["desk2"].public, generation=2, changed=NOW - timedelta(hours=6)
    )
    assert kinds(judged(put(report(days=2)), rekeyed, seen=seen)) == ["silent"]
    after = report(days=0.1, sequence=1)
    assert kinds(judged({after.name: after.signed(KEYS["desk2"])}, rekeyed, seen=seen)) == []


def test_a_clock_that_is_ahead_is_named_and_hides_nothing() -> None:
    standing = judged(put(report(days=2, sequence=8), report(days=-400, sequence=9)))
    assert kinds(standing) == ["future"]
    assert standing.phones[0].reports[0].sequence == 8


def found(days: float, *problems: str, newest: float = 1) -> KeeperFinding:
    """What the keeper found ``days`` ago, with a newest snapshot of ``newest`` days ago."""
    ident = record_times.as_id(NOW - timedelta(days=newest))
    return KeeperFinding(3, ident, NOW - timedelta(days=days), problems=problems)


def test_a_keeper_that_sees_nothing_and_a_copy_that_does_not_grow_are_named_whatever_the_computer_says() -> (
    None
):
    for finding, expected in (
        (found(0.5), []),
        (found(8), ["silent"]),
        (replace(found(1), checked=None), ["silent"]),
        (found(0.5, newest=9), ["stale"]),
    ):
        assert kinds(judged(put(report()), findings={ANN: finding})) == expected


def test_the_keepers_own_records_cannot_be_put_back_or_removed() -> None:
    seen = SeenReports()
    two, data = (host("desk", ANN), host("lab", BOB)), put(report(), report("lab", BOB))
    both = {ANN: found(0.5), BOB: found(0.5)}
    assert kinds(judged(data, *two, seen=seen, findings=both)) == []
    assert kinds(judged(data, *two, seen=seen)) == ["replayed"]
    gone = judged(put(report()), two[0], seen=seen, findings=both)
    assert [each.text for each in gone.problems] == ["The record of the computer lab is gone."]
    revoked = replace(two[1], revoked=True, changed=NOW - timedelta(days=1))
    judged(data, two[0], revoked, seen=seen, findings=both)
    back = judged(data, *two, seen=seen, findings=both)
    assert [each.text for each in back.problems] == ["An old record of the computer lab was put back."]


def test_only_reports_that_count_replace_others() -> None:
    good = [report(days=days, sequence=10 - days) for days in range(1, 6)]
    noise = {StatusName(ANN, record_times.as_id(NOW - timedelta(minutes=n)), "desk"): b"{}" for n in range(3)}
    wrong_clock = [report(days=-400 - n, sequence=2 + n) for n in range(6)]
    unseen = report(days=-300, sequence=99)
    objects = {**put(*good, *wrong_clock, unseen), **noise}
    who = Hosts({"desk": host("desk", ANN)}, ())
    gone = replaced(who, list(objects), lambda names: {name: objects[name] for name in names}, NOW)
    assert set(gone) >= {each.name for each in good[3:]}
    assert not set(gone) & {each.name for each in (*good[:3], unseen)}
    assert set(gone) & {each.name for each in wrong_clock}
    standing = judged(put(*good, *wrong_clock))
    assert (kinds(standing), standing.phones[0].reports[0].sequence) == (["future"], 9)


def test_no_name_and_no_number_of_objects_stops_the_look() -> None:
    for text in ("99991231T235959Z", "00010101T000000Z"):
        assert StatusName.parse(f"status/{ANN}/{text}.desk.json") is None
    early = report().signed(KEYS["desk"]).replace(b'"made":"2026', b'"made":"0001')
    members = json.loads(early)
    del members["signature"]
    assert kinds(judged({report().name: KEYS["desk"].signed(members)})) == ["forged", "silent"]
    flood = {StatusName(BOB, "20261130T020004Z", f"evil-{number}"): b"" for number in range(1000)}
    assert len(judged({**put(report()), **flood}).problems) == 11


def test_nothing_is_removed_for_a_while_after_a_computer_of_the_phone_was_revoked() -> None:
    rules = RetentionRules(last=1)
    for days, revoked, expected in ((1, True, RetentionRules()), (99, True, rules), (1, False, rules)):
        one = host("desk", ANN, revoked=revoked, changed=NOW - timedelta(days=days))
        hosts = Hosts({"desk": one, "lab": host("lab", ANN, BOB)}, ())
        assert rules_for(ANN, hosts, lambda _: rules, NOW) == expected
        assert rules_for(BOB, hosts, lambda _: rules, NOW) == rules


def test_a_computer_reports_its_own_phones_alone_and_only_until_it_is_revoked() -> None:
    strange = judged(put(report(), report(udid=BOB)), host("desk", ANN), host("lab", BOB))
    assert kinds(strange) == ["forged", "silent"]
    gone = host("desk", ANN, revoked=True, changed=NOW - timedelta(days=1))
    standing = judged(put(report(days=2, sequence=6), report(days=0.1)), gone)
    assert kinds(standing) == ["forged"]
    assert standing.phones[0].hosts == ()


def test_records_and_findings_come_from_the_keeper_alone() -> None:
    keeper = SigningKey.new()
    record = host("desk", ANN, BOB)
    assert HostRecord.opened(record.signed(keeper), keeper.public) == record
    findings = KeeperFindings(NOW, {ANN: KeeperFinding(2, "20261130T020004Z", NOW, problems=("x",))})
    assert KeeperFindings.opened(findings.signed(keeper), keeper.public) == findings
    for signed in (record.signed(KEYS["desk"]), findings.signed(KEYS["desk"])):
        with pytest.raises(NotGenuine):
            opened(signed, keeper.public)


def test_a_report_comes_back_as_it_was() -> None:
    status = report(damage=("one", "two"))
    assert HostStatus.opened(status.signed(KEYS["desk"]), KEYS["desk"].public) == status
    bare = report(last_backup=None, copy=None)
    assert HostStatus.opened(bare.signed(KEYS["desk"]), KEYS["desk"].public) == bare
    assert StatusName.parse(status.name.path) == status.name


def test_no_text_of_a_report_controls_a_terminal_or_a_page() -> None:
    evil = report(device_name="A\x1b[31m\0\u202e\n\ud800 <b>👩\u200d💻", damage=("x" * 900,) * 30)
    standing = judged(put(evil))
    (phone,) = standing.phones
    assert phone.name == "A\ufffd[31m\ufffd\ufffd\ufffd\ufffd <b>👩\u200d💻"
    assert {(each.kind, len(each.text) < 600) for each in phone.problems} == {("damaged", True)}
    page = page_alone(standing, NOW)
    assert "&lt;b&gt;" in page
    assert page.encode()
    assert kinds(judged(put(report(sequence=10**300)))) == ["forged", "silent"]


def test_openssl_verifies_the_signature(tmp_path: Path, require_tool: Callable[[str], str]) -> None:
    require_tool("openssl")
    members = json.loads(report().signed(KEYS["desk"]))
    signature = b64decode(members.pop("signature"))
    (tmp_path / "signature").write_bytes(signature)
    # The key as RFC 8410 writes it: a fixed head, and the 32 bytes.
    head = bytes.fromhex("302a300506032b6570032100")
    (tmp_path / "key").write_bytes(head + b64decode(KEYS["desk"].public))
    for data, code in ((members, 0), ({**members, "sequence": 8}, 1)):
        text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        (tmp_path / "data").write_text(text, encoding="utf-8")
        words = (
            "-pubin",
            "-keyform",
            "DER",
            "-rawin",
            "-inkey",
            "key",
            "-in",
            "data",
            "-sigfile",
            "signature",
        )
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", *words],
            cwd=tmp_path, check=False, capture_output=True,
        )  # fmt: skip
        assert done.returncode == code, done
