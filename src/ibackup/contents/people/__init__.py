"""The people in a backup: their cards, and the names behind numbers and e-mail addresses."""
