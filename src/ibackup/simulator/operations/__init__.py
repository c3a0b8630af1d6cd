"""What mobilebackup2 does: one file for each operation."""
