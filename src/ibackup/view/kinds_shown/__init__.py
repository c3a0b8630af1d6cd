"""One pattern for the kinds of contents that are lists of entries: people, calls, notes, events and the like."""
