"""How each system mounts a WebDAV address of ours, with its own means."""
