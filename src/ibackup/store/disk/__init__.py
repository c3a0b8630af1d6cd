"""The disk below the store: durable writes, the lock, small JSON records, free space, and readable errors."""
