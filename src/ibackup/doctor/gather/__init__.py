"""Gathers evidence: from a connected phone, its backups, a sysdiagnose, and Apple."""
