"""Whether the backups are fresh and good, from the store alone: without a phone, and without reading backup files."""
