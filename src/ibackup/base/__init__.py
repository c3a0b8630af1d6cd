"""What everything may use and what knows nothing of phones or backups: errors, events, safe paths, processes, waits."""
