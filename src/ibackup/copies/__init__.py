"""Second copies of snapshots elsewhere, made by programs for that, and the proofs of what arrived."""
