"""The command line: options, prompts, progress and JSON; one file per command, no logic."""
