"""Tells Home Assistant, through an MQTT broker, how the backups are, and hears its button."""
