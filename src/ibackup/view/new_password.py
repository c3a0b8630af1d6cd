"""A new backup password, typed twice in a page."""

from ibackup.jobs.encryption.password_strength import untypable, weaknesses


def problem_with(password: str, again: str) -> str:
    """Why it cannot be taken, in one sentence; empty if it can."""
    if not password:
        return "Type the new backup password twice."
    if password != again:
        return "The two passwords differ."
    return untypable(password) or next(iter(weaknesses(password)), "")
