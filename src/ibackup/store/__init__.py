"""Snapshots on disk: the store, its phones, their snapshots, and the working copy of the run under way.

No run ever writes to a finished snapshot. A run clones the newest one that is not known to be damaged into a
working copy, has the phone update that, seals it, makes it durable and renames it to its final name.
"""
