"""What happens to snapshots besides making them: which are kept, and the ways in and out of the store.

``retention`` decides, ``pruning`` removes, ``importing`` imports a backup that another program made,
``publishing`` puts a snapshot where Finder, iTunes or Apple Devices looks for backups.
"""
