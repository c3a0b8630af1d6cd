"""Has the system start ``ibackup nightly`` every evening, or ``ibackup watch`` for good.

cron, systemd, launchd or Windows' Task Scheduler do that. Each is one file: what it writes, how that is handed to the
system, taken away again and found again. Nothing else remembers a schedule: what the system has is what there is.

The names below are loaded when they are first used.
"""

from typing import TYPE_CHECKING

from ibackup import lazily

if TYPE_CHECKING:
    from ibackup.scheduling.choosing import find as find
    from ibackup.scheduling.choosing import install as install
    from ibackup.scheduling.choosing import pieces as pieces
    from ibackup.scheduling.choosing import remove as remove
    from ibackup.scheduling.choosing import usual as usual
    from ibackup.scheduling.job import make_job as make_job
    from ibackup.scheduling.job import not_passed_on as not_passed_on
    from ibackup.scheduling.types import KINDS as KINDS
    from ibackup.scheduling.types import Installed as Installed
    from ibackup.scheduling.types import Job as Job
    from ibackup.scheduling.types import Kind as Kind
    from ibackup.scheduling.types import Piece as Piece
    from ibackup.scheduling.types import next_run as next_run

_HOMES = {
    "KINDS": "types",
    "Installed": "types",
    "Job": "types",
    "Kind": "types",
    "Piece": "types",
    "find": "choosing",
    "install": "choosing",
    "make_job": "job",
    "next_run": "types",
    "not_passed_on": "job",
    "pieces": "choosing",
    "remove": "choosing",
    "usual": "choosing",
}

__all__ = sorted(_HOMES)  # noqa: PLE0605 - a list all the same

__getattr__ = lazily.names(__name__, _HOMES)
