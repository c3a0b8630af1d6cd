"""One file for each command; the texts and options that only it has are in files beside it."""
