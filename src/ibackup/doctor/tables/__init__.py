"""What the doctor knows, as data: error codes, steps, thresholds."""
