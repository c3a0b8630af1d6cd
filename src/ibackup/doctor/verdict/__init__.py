"""What all checks come to, and what is said, asked and remembered because of it."""
