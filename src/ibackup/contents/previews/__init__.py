"""What is in one file of a backup, as far as it can be shown: a text, a property list, tables, or bytes."""
