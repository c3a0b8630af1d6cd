"""Rules of repetition in words."""

import pytest

from ibackup.view.kinds_shown.repetition_words import repetition_words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("FREQ=WEEKLY", "every week"),
        ("FREQ=DAILY;INTERVAL=2;COUNT=5", "every 2 days, 5 times"),
        ("FREQ=WEEKLY;BYDAY=MO,WE,FR", "every week, on Monday, Wednesday and Friday"),
        (
            "FREQ=MONTHLY;UNTIL=20231231T225959Z;BYDAY=-1FR",
            "every month, on the last Friday, until 31 December 2023",
        ),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", "every month, on the first of Monday, Tuesday, "),
        ("FREQ=YEARLY;BYMONTHDAY=29;BYMONTH=2", "every year, in February, on day 29 of the month"),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", "every month, on the last day of the month"),
        ("FREQ=SOMETIMES", "in a way that ibackup cannot put into words"),
        ("", "in a way that ibackup cannot put into words"),
        ("FREQ=WEEKLY;BYDAY=XX,,;BYMONTH=13;UNTIL=never", "every week"),
    ],
)
def test_a_rule_in_words(rule: str, words: str) -> None:
    assert repetition_words(rule).startswith(words)
    assert words.endswith(", ") or repetition_words(rule) == words
