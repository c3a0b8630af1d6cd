"""Finding phones, waiting for them, and opening sessions with them."""
