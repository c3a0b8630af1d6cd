"""What happens to snapshots beside making them: which are kept and which go, and the ways in and out of the store.

``retention`` decides, ``pruning`` removes, ``adopting`` takes over a backup that another program made,
``publishing`` puts a snapshot where Finder, iTunes or Apple Devices looks for backups.
"""
