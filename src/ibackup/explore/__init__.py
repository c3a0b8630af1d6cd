"""Looking into a backup and extracting files from it, whichever program made it; the backup is never changed."""
