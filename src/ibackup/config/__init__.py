"""``config.toml``: where the store is, the phones' names, when to back up, and which notifications to send.

``config_schema`` lists every key, ``stall_limits`` is one of its tables, ``value_kinds`` defines how values are
written, and ``config_file`` finds the file and any error in it.
"""
