"""Notes: their text with its styles, tables and attachments, in their folders."""
