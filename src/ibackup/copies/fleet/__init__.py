"""A fleet: many computers that copy many phones to one place, and say there, signed, how each phone is."""
