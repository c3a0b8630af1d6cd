"""Finds words in what snapshots hold, from an index that is kept from search to search.

``searching.Search`` takes a phone's snapshots, or a folder, and gives hits. ``sources`` turns what the readers of
``ibackup.contents`` give into ``Document``; a ``SnapshotIndex`` knows which document is in which snapshots, and
``kept_indexes`` where it is kept.
"""
