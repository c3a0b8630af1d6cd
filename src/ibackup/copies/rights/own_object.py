"""The object on which rights are tried: small, the same every time, and of no use to anyone."""

import hashlib

CONTENT = b"ibackup copy check-rights wrote this. It is no backup, and can be removed.\n"
OTHER_CONTENT = CONTENT + b"Written over.\n"
NAME = "ibackup-rights-test"
"""Where a place takes any name. restic leaves such a name alone."""
HASHED_NAME = hashlib.sha256(CONTENT).hexdigest()
"""Where a name must be the content's SHA-256. restic calls the object superfluous, and ``prune`` removes it."""
FOLDER = "data"
"""Its neighbours are what a thief would be after."""
