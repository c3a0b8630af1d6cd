"""Makes the Debian and RPM packages (scripts/packages)."""
