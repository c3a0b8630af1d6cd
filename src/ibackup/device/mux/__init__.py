"""Connections: to usbmuxd, and through it to a phone's services."""
