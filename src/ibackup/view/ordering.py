"""Starts jobs, with what the session may open."""

from ibackup.view.asked import Asked
from ibackup.view.running.job_order import JobOrder, Work
from ibackup.view.running.running_job import RunningJob


def start(asked: Asked, work: Work) -> RunningJob:
    """Start a job for the phone in the address; see ``start_for``."""
    return start_for(asked, asked.phone.udid, work)


def start_for(asked: Asked, udid: str, work: Work, password: str | None = None) -> RunningJob:
    """Start a job for a phone, also for one of which there is no backup yet.

    The password that the session typed goes along, or the one that is given; no password source of the config opens
    contents for it.

    Raises:
        PhoneBusy: another one is running.
        IbackupError: no process can be started.
    """
    house, request = asked.house, asked.house.request
    order = JobOrder(
        udid=udid,
        work=work,
        store="" if house.is_folder else house.store_path,
        folder=request.folder or "",
        config=request.config,
        password=password or asked.session.unlocker_for(udid).password(udid),
    )
    return house.board.start(order)
