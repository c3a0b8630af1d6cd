"""What is in a backup, in a form people can read: messages, people, calls, calendars, notes, photos and more."""
