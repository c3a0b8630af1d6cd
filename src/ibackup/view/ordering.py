"""Starts a job for the phone in an address, with what the session may open."""

from ibackup.view.asked import Asked
from ibackup.view.running.job_order import JobOrder, Work
from ibackup.view.running.running_job import RunningJob


def start(asked: Asked, work: Work) -> RunningJob:
    """Start a job for the phone in the address.

    The password that the session typed goes along; no password source of the config opens contents for it.

    Raises:
        PhoneBusy: another one is running.
        IbackupError: no process can be started.
    """
    house, phone = asked.house, asked.phone
    order = JobOrder(
        udid=phone.udid,
        work=work,
        store="" if house.is_folder else house.store_path,
        folder=asked.backup.path if house.is_folder else "",
        config=house.request.config,
        password=asked.session.unlocker_for(phone.udid).password(phone.udid),
    )
    return house.board.start(order)
