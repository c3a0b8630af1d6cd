"""What every command has: options, output, progress, prompts, and which phone or snapshot the user means."""
