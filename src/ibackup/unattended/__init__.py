"""Backups that nobody has to think of: the night, and the watch for phones that are plugged in.

``due`` says when, ``journal`` what happened, ``phones`` who; ``attempt`` is one turn, ``rounds`` decides whose
turn it is, ``night`` and ``watching`` begin and end, ``telling`` tells people. Nothing here prints; time is a parameter
(``clock``).
"""
