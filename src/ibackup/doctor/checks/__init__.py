"""The 30 checks, each a pure function of one case; their words and steps stand in the tables."""
