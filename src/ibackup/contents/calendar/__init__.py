"""Events and reminders, with their rules of repetition."""
