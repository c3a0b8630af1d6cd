"""Backups over Wi-Fi: switching them on and off, and what stands in their way."""
