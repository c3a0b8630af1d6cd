"""The small services: files, notices, apps, the log. They only read, except for the sync lock."""
