"""Local iPhone backups that are complete, proven and kept."""

__version__ = "0.1.0"
