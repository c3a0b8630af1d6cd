"""What the person is asked, what is remembered, and the page for Apple Support."""

import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ibackup.doctor.evidence.noted_evidence import Sizing
from ibackup.doctor.evidence.phone_evidence import Evidence, PersonAnswers
from ibackup.doctor.evidence.sighting import Seen
from ibackup.doctor.verdict.doctor_memory import DoctorRun, Memories
from ibackup.doctor.verdict.person_questions import answered, next_question
from ibackup.doctor.verdict.support_packet import packet
from ibackup.doctor.verdict.verdict import judge
from support.doctoring import (
    AILING,
    GB,
    NOW,
    SOUND,
    UNKNOWN,
    ago,
    error,
    failed,
    noted,
    phone,
    said,
    usb,
    without_notes,
)

LARGE = noted(sizing=Sizing(total=8 * GB, domains={}))


@pytest.mark.parametrize(
    ("evidence", "kind"),
    [
        (SOUND, None),
        (phone(toggle=usb(False)), None),
        (failed(303), None),
        (UNKNOWN, "sentence"),
        (without_notes(), "sentence"),
        (said(without_notes(), sentence="weeks"), None),
        (failed(300, 300), None),
        (said(LARGE, sentence="weeks"), "plan"),
        (said(LARGE, sentence="weeks", plan=200 * GB), "used"),
        (said(LARGE, sentence="weeks", plan=200 * GB, used=GB), None),
    ],
)
def test_only_what_changes_the_verdict_is_asked(evidence: Evidence, kind: str | None) -> None:
    question = next_question(judge(evidence))
    assert (question.kind if question else None) == kind


def test_a_skipped_question_is_not_asked_again() -> None:
    verdict = judge(LARGE)
    first = next_question(verdict)
    assert first is not None
    second = next_question(verdict, {first.kind})
    assert second is not None
    assert (first.kind, second.kind) == ("sentence", "plan")
    assert next_question(verdict, {"sentence", "plan", "used"}) is None


def test_an_answer_is_evidence_with_its_date() -> None:
    fact = answered(UNKNOWN, "plan", "50GB").answers.plan
    assert isinstance(fact, Seen)
    assert (fact.value, fact.source.kind, fact.source.date) == (50 * GB, "person", NOW)


def test_what_the_phone_showed_last_month_no_longer_counts() -> None:
    shown = said(UNKNOWN, sentence="icloud-full")
    assert judge(shown).status == "blocked"
    assert judge(replace(shown, now=NOW.replace(year=2027))).status == "unknown"


def test_notes_of_the_phone_go_before_what_someone_remembers() -> None:
    verdict = judge(said(failed(209), sentence="icloud-full"))
    assert [each.error.code for each in verdict.case.counted] == [209]


def test_memory_keeps_answers_with_their_dates_and_the_last_runs(tmp_path: Path) -> None:
    memories = Memories(str(tmp_path))
    answers = said(
        AILING, plan=50 * GB, used=3 * GB, sentence="network", since="May", tried=("restart",)
    ).answers
    runs = tuple(
        DoctorRun(ago(days=30 - day).replace(microsecond=0), "blocked", ("toggle",)) for day in range(25)
    )
    for run in runs:
        assert memories.add("00008101-000A", answers, run)
    assert memories.add("00008101-000A", PersonAnswers(), runs[-1])
    kept = memories.of("00008101-000A")
    assert kept.answers == answers
    assert kept.runs == runs[-20:]
    assert memories.of("00008101-000B").answers == PersonAnswers()
    if sys.platform != "win32":
        (file,) = (tmp_path / "doctor").glob("*.json")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{", '{"runs": 3}', '{"runs": [], "plan": {"value": "x", "date": "y"}}', '{"runs": [{}]}'],
)
def test_a_damaged_memory_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "doctor").mkdir()
    (tmp_path / "doctor" / "x.json").write_text(content)
    memory = Memories(str(tmp_path)).of("x")
    assert (memory.answers, memory.runs) == (PersonAnswers(), ())


def test_a_memory_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "doctor").write_text("a file in the way")
    assert not Memories(str(tmp_path)).add("x", PersonAnswers(), DoctorRun(NOW, "unknown", ()))


def test_a_udid_from_outside_names_no_other_file(tmp_path: Path) -> None:
    assert Memories(str(tmp_path / "state")).add("../../evil", PersonAnswers(), DoctorRun(NOW, "unknown", ()))
    assert [path.name for path in tmp_path.rglob("*.json")] == ["evil.json"]
    assert (tmp_path / "state" / "doctor" / "evil.json").exists()


PRIVATE = (
    "zoe@example.org at “Zoë's house” in /var/mobile/Zoe, +49 171 2345678, 00008101-000A1B2C3D4E5F60, "
    "aa:bb:cc:dd:ee:ff"
)


def test_the_page_is_redacted_unless_asked_otherwise() -> None:
    case = noted(errors=(error(100, text=PRIVATE, path="AppDomain-a.b/Library/Zoe", app="a.b"),))
    page = packet(judge(case))
    for secret in ("zoe", "Zoë", "Zoe", "171", "000A1B2C", "aa:bb", "Ann", "00112233"):
        assert secret not in page
    assert "a.b" in page
    full = packet(judge(case), full=True)
    assert all(
        told in full
        for told in (PRIVATE, "AppDomain-a.b/Library/Zoe", "Ann's iPhone", "00008130-0011223344556677")
    )


def test_the_page_has_the_four_points_and_fits_one() -> None:
    case = said(
        failed(303, 303, 305), sentence="icloud-full", since="last week", tried=("restart",), plan=5 * GB
    )
    page = packet(judge(case), (DoctorRun(ago(days=1), "blocked", ("icloud-storage",)),))
    heads = [
        page.index(head) for head in ("1. VERSION", "2. EXACT ERROR", "3. SINCE WHEN", "4. TRIED SO FAR")
    ]
    assert heads == sorted(heads)
    for told in (
        "not enough iCloud storage",
        "MBErrorDomain 303, twice",
        "First error after it: 2026-11-22",
        "You said: last week",
        "You said: restart",
        "blocked (C08 icloud-storage)",
        "as stated: 5 GB",
        "no ongoing trouble",
    ):
        assert told in page
    assert len(page.splitlines()) <= 60


def test_an_empty_page_says_what_is_not_known() -> None:
    page = packet(judge(Evidence(now=NOW)))
    assert "C08 icloud-storage" in page.partition("NOT SEEN")[2]
    assert "unknown" in page
