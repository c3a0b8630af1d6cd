"""What this computer may do to a second copy, tried there as a thief would, on an object of its own."""
