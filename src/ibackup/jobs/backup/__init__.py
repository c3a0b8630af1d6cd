"""The main job: one backup of one phone, checked, sealed and committed to the store."""
