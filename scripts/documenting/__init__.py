"""What scripts/gen-docs needs to make whole pages and tables from docstrings, marks and records."""
