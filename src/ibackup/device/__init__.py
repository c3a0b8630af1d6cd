"""A phone on the wire: found, trusted, asked, backed up.

This package alone imports pymobiledevice3, and only when a phone is really talked to: it takes more than half a
second.
"""
