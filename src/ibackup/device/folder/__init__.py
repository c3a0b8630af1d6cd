"""The folder that a phone sees during a job: what it may read and write there, and how that is stored."""
