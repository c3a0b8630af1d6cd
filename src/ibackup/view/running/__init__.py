"""Long jobs for the pages: each in a process of its own, what it tells, and who listens."""
