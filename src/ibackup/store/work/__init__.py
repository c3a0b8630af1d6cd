"""The current run: the working copy, its ledger, and the steps that make it a snapshot."""
