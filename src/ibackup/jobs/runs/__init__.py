"""A backup with everything that follows it: for one phone, or for every connected phone in turn."""
