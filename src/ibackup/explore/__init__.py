"""Looking into a backup and taking files out of it, whoever made it; nothing is ever written to it."""
