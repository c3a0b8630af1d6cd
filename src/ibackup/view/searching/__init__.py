"""Searches for the pages: indexes that stay open between two letters, and what is found in the form of rows."""
