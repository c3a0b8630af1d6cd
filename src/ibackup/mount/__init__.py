"""Snapshots as a read-only file system: one tree, and the faces that show it to the system."""
