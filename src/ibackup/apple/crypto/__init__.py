"""Keys and ciphers of a backup: the keybag, a file's key, and its plaintext as a stream."""
