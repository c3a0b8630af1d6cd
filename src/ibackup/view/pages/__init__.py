"""The pages, one file each, and what they share with no other page."""
