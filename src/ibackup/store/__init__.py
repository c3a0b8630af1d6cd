"""Snapshots on disk: the store, its phones, their snapshots, and the working copy of the current run.

No run ever writes to a finished snapshot. A run clones the newest snapshot that is not known to be damaged
into a working copy, lets the phone update it, seals it, makes it durable and renames it to its final name.
"""
