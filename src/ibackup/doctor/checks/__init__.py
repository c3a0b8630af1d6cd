"""The 30 checks, each a pure function of one case; their words and steps stand in ``catalog``."""

from collections.abc import Callable, Iterator

from ibackup.doctor.case import Case
from ibackup.doctor.catalog import SCREEN_ORDER
from ibackup.doctor.checks import account, cloud, conditions, device, history, network, sizing
from ibackup.doctor.finding import Finding

Check = Callable[[Case], Finding]

ALL: dict[str, Check] = {
    "readable": device.readable,
    "apple-status": cloud.apple_status,
    "last-success": history.last_success,
    "toggle": account.toggle,
    "account": account.account,
    "policy": account.policy,
    "history": history.history,
    "icloud-storage": sizing.icloud_storage,
    "wifi": conditions.wifi,
    "power": conditions.power,
    "lock": conditions.lock,
    "conditions": conditions.conditions,
    "network": network.network,
    "cellular": conditions.cellular,
    "low-power": conditions.low_power,
    "restore-running": device.restore_running,
    "phone-storage": device.phone_storage,
    "clock": device.clock,
    "ios-version": device.ios_version,
    "size": sizing.size,
    "apps": sizing.apps,
    "app-data": sizing.app_data,
    "watch": cloud.watch,
    "helpers": device.helpers,
    "backoff": history.backoff,
    "restart": device.restart,
    "session": account.session,
    "cloud-data": cloud.cloud_data,
    "network-settings": network.network_settings,
    "local-backup": history.local_backup,
}


def run_all(case: Case) -> Iterator[Finding]:
    """What every check finds, in the order on screen."""
    for check in SCREEN_ORDER:
        yield ALL[check](case)
