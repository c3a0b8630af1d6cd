"""What ``ibackup prune`` would give back, told to those whose disk is too small for the next backup."""

import contextlib
from typing import TYPE_CHECKING

from ibackup.cli.common import App
from ibackup.cli.output import size_text
from ibackup.errors import IbackupError, NoRoom

if TYPE_CHECKING:
    from ibackup.store import Store


def with_what_prune_gives(app: App, store: "Store", error: NoRoom) -> NoRoom:
    """The same error, whose hint names what removing old snapshots gives back; as it was when that is nothing."""
    from ibackup.keeping.pruning import plan
    from ibackup.keeping.retention import Rules

    tries = [("ibackup prune --keep-last 1", Rules(last=1))]
    if app.config.prune is not None:
        tries.insert(0, ("ibackup prune", Rules.configured(app.config.prune)))
    # The error itself is what matters: whatever is wrong with the store beside, its own commands tell.
    with contextlib.suppress(IbackupError, OSError):
        for command, rules in tries:
            plans = [plan(folder, rules) for folder in store.phones() if folder.entries()]
            bytes_ = sum(each.gives_back for each in plans)
            if bytes_:
                at_most = "" if all(each.exact for each in plans) else "at most "
                gives = (
                    f"`{command}` would give back {at_most}{size_text(bytes_)} ({bytes_:,} bytes); "
                    "--dry-run shows which snapshots would go."
                )
                return type(error)(
                    error.what,
                    why=error.why,
                    hint=f"{error.hint} {gives}".strip(),
                    error_code=error.error_code,
                )
    return error
