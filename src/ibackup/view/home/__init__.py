"""What Home says: a card for each phone, one sentence for all, and what became of a job."""
