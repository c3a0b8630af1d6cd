"""The doctor for iCloud Backup: evidence is gathered here, and judged."""
