"""Checks whether this computer has everything it needs, and if not, which commands to run. One file per system."""
