"""Proving backups good: one, several in a row, and the seals of folders that other programs made."""
