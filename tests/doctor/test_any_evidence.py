"""Whatever is known of a phone, in whatever mixture: a verdict that keeps the rules."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ibackup.cli.commands.doctor_text import verdict_text
from ibackup.doctor.checks.case import SENTENCES
from ibackup.doctor.evidence.noted_evidence import NotedEvidence, RestoreInfo, Sizing, UserSettings
from ibackup.doctor.evidence.phone_evidence import (
    AppleEvidence,
    Battery,
    CloudConfiguration,
    CloudDate,
    Conditions,
    CrashReport,
    Disk,
    Evidence,
    Identity,
    Live,
    LiveError,
    LiveEvidence,
    NewestIos,
    PhoneEvidence,
    PowerSource,
    Profile,
    ServiceEvent,
    SystemStatus,
    Traffic,
    Wifi,
)
from ibackup.doctor.evidence.sighting import Seen, Unseen
from ibackup.doctor.tables.catalog import SCREEN_ORDER
from ibackup.doctor.tables.finding import CAUSES, FindingLevel
from ibackup.doctor.verdict.person_questions import next_question
from ibackup.doctor.verdict.support_packet import packet
from ibackup.doctor.verdict.verdict import FIRST_BACKUP, is_cause, judge
from support.doctoring import (
    APPLE,
    BACKUP,
    GB,
    LIVE,
    NOW,
    PERSON,
    SERVICES,
    SOUND_NOTES,
    USB,
    ago,
    error,
    window,
)

CODES = (
    0,
    1,
    2,
    3,
    9,
    13,
    17,
    19,
    22,
    25,
    100,
    105,
    202,
    203,
    205,
    209,
    210,
    217,
    223,
    300,
    303,
    304,
    305,
    308,
    777,
)


def fact(values: st.SearchStrategy[Any], source: Any = USB) -> st.SearchStrategy[Any]:
    """Seen or not."""
    return st.one_of(
        st.just(Unseen("the phone does not report it")), values.map(lambda value: Seen(value, source))
    )


days = st.floats(0, 400, allow_nan=False)
flags = st.booleans()
phones = st.builds(
    PhoneEvidence,
    identity=st.sampled_from(
        (None, Identity(udid="x"), Identity(udid="x", noun="iPad", ios_version="17.2", build="24A5390f"))
    ),
    toggle=fact(flags),
    last_cloud_backup=fact(
        st.one_of(st.none(), days).map(lambda age: CloudDate(date=None if age is None else ago(days=age)))
    ),
    find_my=fact(flags),
    activation=fact(st.sampled_from(("Activated", "Unactivated"))),
    clock_offset=fact(st.floats(-2e5, 2e5)),
    battery=fact(st.just(Battery(percent=5))),
    power_source=fact(st.just(PowerSource(milliamperes=-900, celsius=45.0, external_power=True))),
    wifi=fact(flags.map(lambda on: Wifi(connected=on))),
    disk=fact(st.integers(0, 10**10).map(lambda free: Disk(free=free))),
    profiles=fact(st.sampled_from(((), (Profile("Mail", None),)))),
    cloud_configuration=fact(flags.map(lambda on: CloudConfiguration(supervised=on))),
    placeholders=fact(st.integers(0, 50)),
    crashes=fact(st.just((CrashReport("backupd", ago(days=1)),))),
)
notes = st.builds(
    lambda codes, nights, total, waits, restored: replace(
        SOUND_NOTES,
        errors=tuple(error(code, hours=6 + 20 * index) for index, code in enumerate(codes)),
        windows=tuple(window(days=1 + index, hours=hours) for index, hours in enumerate(nights)),
        sizing=Sizing(total=total, domains={"AppDomain-com.spotify.client": total or 0}),
        retry_after=None if waits is None else NOW + timedelta(hours=waits),
        restore=None if restored is None else RestoreInfo(date=ago(days=restored), state=0),
    ),
    st.lists(st.sampled_from(CODES), max_size=6),
    st.lists(st.floats(0, 20), max_size=5),
    st.one_of(st.none(), st.integers(0, 300 * GB)),
    st.one_of(st.none(), st.floats(-50, 200)),
    st.one_of(st.none(), days),
)
lives = st.builds(
    LiveEvidence,
    log=fact(
        st.builds(
            lambda codes, on, policy: Live(
                seconds=60,
                lines=3,
                conditions=Conditions(enabled=on, on_power=on, on_wifi=not on, locked=on),
                errors=tuple(
                    LiveError(domain="MBErrorDomain", code=code, date=NOW, process="backupd")
                    for code in codes
                ),
                policy=policy,
            ),
            st.lists(st.sampled_from(CODES), max_size=3),
            flags,
            flags,
        ),
        LIVE,
    ),
    traffic=fact(
        st.integers(0, 10**9).map(
            lambda sent: Traffic(seconds=30, interfaces={"en0": sent}, backup_bytes=sent, busy_seconds=30)
        ),
        LIVE,
    ),
)
kinds = st.sampled_from(("Outage", "Issue", "Maintenance", "Available", "Something"))
everything = st.builds(
    Evidence,
    now=st.just(NOW),
    reachable=fact(st.just(True)),
    phone=phones,
    noted=st.builds(
        NotedEvidence,
        notes=fact(notes, BACKUP),
        settings=fact(flags.map(lambda on: UserSettings(allow_cloud_backup=on)), BACKUP),
        accounts=fact(st.integers(0, 2), BACKUP),
    ),
    local=st.just(Unseen("there is no store")),
    apple=st.builds(
        AppleEvidence,
        status=fact(
            kinds.map(
                lambda kind: SystemStatus(
                    SERVICES, (ServiceEvent(service="iCloud Backup", kind=kind, status="ongoing"),)
                )
            ),
            APPLE,
        ),
        newest=fact(st.sampled_from((None, NewestIos("99.1"))), APPLE),
    ),
    live=lives,
    answers=st.builds(
        lambda plan, used, sentence: replace(
            Evidence(now=NOW).answers, plan=plan, used=used, sentence=sentence
        ),
        fact(st.sampled_from((5 * GB, 200 * GB)), PERSON),
        fact(st.integers(0, 300 * GB), PERSON),
        fact(st.sampled_from(tuple(SENTENCES)), PERSON),
    ),
)


@given(everything)
def test_any_evidence_gives_a_verdict_that_keeps_the_rules(evidence: Evidence) -> None:
    verdict = judge(evidence)
    assert [each.id for each in verdict.findings] == list(SCREEN_ORDER)
    levels = {each.level for each in verdict.findings if not each.advice}
    assert (verdict.status == "blocked") == (FindingLevel.BLOCKER in levels)
    assert (verdict.status == "suspect") == (
        FindingLevel.LIKELY in levels and FindingLevel.BLOCKER not in levels
    )
    if verdict.case.works:
        # Only what holds in spite of a success is more than advice.
        assert all(each.advice or each.stands for each in verdict.findings if each.level in CAUSES)
    for finding in verdict.findings:
        assert bool(finding.evidence) or finding.level is FindingLevel.FINE
    fixes = [step for each in verdict.blockers if is_cause(each) for step in each.steps if step.removes]
    if fixes:
        assert verdict.first_fix in fixes
        assert verdict.first_fix.disruption == min(step.disruption for step in fixes)
    text = re.sub(r"\x1b\[[0-9;]*m", "", verdict_text(verdict))
    assert max(len(line) for line in text.splitlines()) <= 80
    for each in (*verdict.blockers, *verdict.likely):
        assert not is_cause(each) or each.title in re.sub(r"\s+", " ", text)
    protected = evidence.noted.notes.get() is not None and BACKUP.date > NOW - timedelta(days=1)
    for step in (step for each in verdict.causes for step in each.steps):
        assert verdict.told(step).text.startswith(FIRST_BACKUP) == (step.risky and not protected)
    assert packet(verdict)
    next_question(verdict)
