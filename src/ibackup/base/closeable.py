"""What is closed at the end of a ``with`` block."""

from typing import Self


class Closeable:
    """A context manager that closes itself, whatever happens inside."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close everything that is open."""
        raise NotImplementedError
