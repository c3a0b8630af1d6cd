"""Passwords: the keychain, and opening backups with what it has."""
