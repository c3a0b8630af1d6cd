"""Decoders of what apps pack into their databases: pure functions, each with limits, and one error for all of them."""
