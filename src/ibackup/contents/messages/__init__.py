"""Conversations and messages: iMessage, SMS, MMS and RCS, from the database of Messages."""
