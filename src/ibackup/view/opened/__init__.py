"""Backups that stay open while a browser looks at them, what was read from them, and their pictures and films."""
