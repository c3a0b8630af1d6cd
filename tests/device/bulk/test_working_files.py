"""Every request of a backup against a real folder, as a scripted phone asks."""
