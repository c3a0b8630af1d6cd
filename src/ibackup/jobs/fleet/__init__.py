"""A fleet of computers and phones: who belongs to it, what each reports, how all are, and what its keeper does."""
