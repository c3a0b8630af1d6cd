"""A phone's backup password: set, change and remove it, keep it, and print it on a recovery sheet."""
