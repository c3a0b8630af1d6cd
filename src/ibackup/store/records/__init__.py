"""The small records of a store and of its user: one file each."""
