"""What was seen, each value with where it comes from, or why it could not be seen."""
