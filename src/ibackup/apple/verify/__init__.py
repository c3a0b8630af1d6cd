"""Proving that a backup is good: its manifest, its stored files, its seal, and what is wrong with them."""
