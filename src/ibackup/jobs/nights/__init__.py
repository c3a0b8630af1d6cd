"""Backups that run automatically: the night, and the watch for phones that are plugged in.

``due`` decides when, ``night_journal`` records what happened, ``known_phones`` lists the phones; ``one_turn`` is one
turn, ``rounds`` decides whose turn it is, ``night`` and ``plug_watch`` run the whole, ``telling`` sends
notifications. Nothing here prints; time is a parameter (``clock``).
"""
