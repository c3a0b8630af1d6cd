"""The network beyond Wi-Fi itself: C13, C29."""

from collections.abc import Iterator

from ibackup.base.sizes import rough_size
from ibackup.doctor.checks.case import Case, Counted
from ibackup.doctor.checks.how_checks_speak import fine, found, said, surer, unseen, why
from ibackup.doctor.evidence.sighting import Seen
from ibackup.doctor.tables import icloud_error_codes, steps
from ibackup.doctor.tables.finding import CheckFinding, FindingLevel, FindingText, Step


def network(case: Case) -> CheckFinding:
    """C13: is the Wi-Fi restricted, slow or unstable?"""
    level, errors = case.by_codes("network")
    if offline := _offline_on_wifi(case):
        errors = (*errors, *(case.error_said(each) for each in offline))
    level = surer(level, _repeated(case))
    signs = list(_signs(case))
    if signs:
        level = surer(level, FindingLevel.POSSIBLE)
    texts = [*errors, *(text for text, _ in signs)]
    if level:
        sure = level is not FindingLevel.POSSIBLE
        title = "the Wi-Fi is restricted, slow or unstable" if sure else "the Wi-Fi may be restricted or slow"
        # Without an error, advise only what the evidence supports.
        chosen = None if errors else [step for _, step in signs]
        return found("network", level, title, texts, steps=chosen, stands=bool(errors))
    traffic = case.evidence.live.traffic
    if isinstance(traffic, Seen) and (speed := traffic.value.upload_bits_per_second):
        return fine("network", said(traffic, f"The backup was sent at {speed / 1e6:.1f} Mbit/s."))
    if case.attempts_known:
        return fine("network")
    return unseen(
        "network", why(case.evidence.noted.notes) or "ibackup cannot see what the router and the network do"
    )


def _repeated(case: Case) -> FindingLevel | None:
    """Several network errors of any number, if the newest error is one of them."""
    failed = [each for each in case.counted if each.meaning.check == "network" and not each.stale]
    failed += _offline_on_wifi(case)
    count = sum(each.in_a_row for each in failed)
    if case.newest in failed and count >= case.limits.network_errors:
        return FindingLevel.LIKELY
    return None


def _offline_on_wifi(case: Case) -> list[Counted]:
    """Repeated "no network" errors from a phone that is on Wi-Fi: the Wi-Fi leads nowhere."""
    now = case.evidence.phone.wifi
    if not (isinstance(now, Seen) and now.value.connected):
        return []
    failed = [each for each in case.counted if each.meaning.check == "wifi" and not each.stale]
    return failed if sum(each.in_a_row for each in failed) >= case.limits.network_errors else []


def _signs(case: Case) -> Iterator[tuple[FindingText, Step]]:
    """What may restrict the Wi-Fi, each with what to try."""
    traffic, limits = case.evidence.live.traffic, case.limits
    source = case.notes_source
    if case.windows and case.windows[0].expensive_network and source:
        text = "The Wi-Fi is marked as metered (a hotspot, or Low Data Mode)."
        yield FindingText(text, source.label, source.date), steps.LOW_DATA_OFF
    if not isinstance(traffic, Seen):
        return
    sent = sum(traffic.value.interfaces.values())
    tunnel = sum(
        count for name, count in traffic.value.interfaces.items() if name.startswith(("utun", "ipsec"))
    )
    if traffic.value.has_vpn and tunnel > limits.vpn_share * sent:
        yield (
            said(traffic, f"{rough_size(tunnel)} of what the phone sent went through a VPN."),
            steps.VPN_OFF,
        )
    speed = traffic.value.upload_bits_per_second
    if speed is not None and speed < limits.upload_slow:
        text = f"The backup was sent at {speed / 1e6:.2g} Mbit/s, which is slow."
        yield said(traffic, text), steps.OTHER_WIFI


def network_settings(case: Case) -> CheckFinding:
    """C29: are the network settings broken? Only after another Wi-Fi and a restart did not help."""
    tried = case.evidence.answers.tried
    still = network(case)
    sure = still.level in (FindingLevel.BLOCKER, FindingLevel.LIKELY)
    if isinstance(tried, Seen) and sure and {"restart", "other-wifi"} <= set(tried.value):
        text = said(tried, "You said that network errors continue after a restart and on another Wi-Fi.")
        title = "the network settings may be broken"
        return found(
            "network-settings",
            FindingLevel.POSSIBLE,
            title,
            [text, *still.evidence],
            guess=True,
            stands=still.stands,
        )
    if still.level is FindingLevel.FINE:
        return fine("network-settings")
    return unseen("network-settings", "consider this last, after another Wi-Fi and a restart")


def has_tls_errors(case: Case) -> bool:
    """Whether secure connections failed, which a wrong clock does."""
    return any(
        each.error.domain == icloud_error_codes.URL and -1206 <= each.error.code <= -1200
        for each in case.counted
    )
