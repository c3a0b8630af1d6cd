"""Says how much space ``ibackup prune`` would give back when the disk is too small for the next backup."""

import contextlib

from ibackup.base.errors import IbackupError, NoRoom
from ibackup.base.sizes import exact_size
from ibackup.config.config_schema import Config
from ibackup.jobs.keeping.pruning import plan
from ibackup.jobs.keeping.retention import RetentionRules
from ibackup.store.store import Store


def with_what_prune_gives(store: Store, config: Config, error: NoRoom) -> NoRoom:
    """The same error, with a hint that says how much space old snapshots take; unchanged if none."""
    tries = [("ibackup prune --keep-last 1", RetentionRules(last=1))]
    if config.prune is not None:
        tries.insert(0, ("ibackup prune", RetentionRules.configured(config.prune)))
    # The error itself matters most; other commands report anything else that is wrong with the store.
    with contextlib.suppress(IbackupError, OSError):
        for command, rules in tries:
            plans = [plan(folder, rules) for folder in store.phones() if folder.entries()]
            bytes_ = sum(each.gives_back for each in plans)
            if bytes_:
                at_most = "" if all(each.exact for each in plans) else "at most "
                gives = (
                    f"`{command}` would give back {at_most}{exact_size(bytes_)}; "
                    "--dry-run shows which snapshots would go."
                )
                return type(error)(
                    error.what,
                    why=error.why,
                    hint=f"{error.hint} {gives}".strip(),
                    error_code=error.error_code,
                )
    return error
