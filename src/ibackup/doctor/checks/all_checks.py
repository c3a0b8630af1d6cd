"""The 30 checks, each a pure function of one case; their texts and steps are in ``catalog``."""

from collections.abc import Callable, Iterator

from ibackup.doctor.checks import (
    account_checks,
    cloud_checks,
    condition_checks,
    history_checks,
    network_checks,
    phone_checks,
    size_checks,
)
from ibackup.doctor.checks.case import Case
from ibackup.doctor.tables.catalog import SCREEN_ORDER
from ibackup.doctor.tables.finding import CheckFinding

CheckFunction = Callable[[Case], CheckFinding]

ALL: dict[str, CheckFunction] = {
    "readable": phone_checks.readable,
    "apple-status": cloud_checks.apple_status,
    "last-success": history_checks.last_success,
    "toggle": account_checks.toggle,
    "account": account_checks.account,
    "policy": account_checks.policy,
    "history": history_checks.history,
    "icloud-storage": size_checks.icloud_storage,
    "wifi": condition_checks.wifi,
    "power": condition_checks.power,
    "lock": condition_checks.lock,
    "conditions": condition_checks.conditions,
    "network": network_checks.network,
    "cellular": condition_checks.cellular,
    "low-power": condition_checks.low_power,
    "restore-running": phone_checks.restore_running,
    "phone-storage": phone_checks.phone_storage,
    "clock": phone_checks.clock,
    "ios-version": phone_checks.ios_version,
    "size": size_checks.size,
    "apps": size_checks.apps,
    "app-data": size_checks.app_data,
    "watch": cloud_checks.watch,
    "helpers": phone_checks.helpers,
    "backoff": history_checks.backoff,
    "restart": phone_checks.restart,
    "session": account_checks.session,
    "cloud-data": cloud_checks.cloud_data,
    "network-settings": network_checks.network_settings,
    "local-backup": history_checks.local_backup,
}


def run_all(case: Case) -> Iterator[CheckFinding]:
    """What every check finds, in the order on screen."""
    for check in SCREEN_ORDER:
        yield ALL[check](case)
