"""A small terminal on paper: what a person sees after all those carriage returns."""

import re

_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Screen:
    """Lines of text under a cursor; knows return, line feed, backspace and wrapping, and skips colours."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._rows: list[list[str]] = [[]]
        self._at = 0

    def feed(self, text: str) -> "Screen":
        for char in _STYLE.sub("", text):
            if char == "\n":
                self._rows.append([])
                self._at = 0
            elif char == "\r":
                self._at = 0
            elif char == "\b":
                self._at = max(self._at - 1, 0)
            else:
                assert char >= " ", f"the terminal was sent {char!r}"
                self._put(char)
        return self

    def _put(self, char: str) -> None:
        if self._at == self._columns:
            self._rows.append([])
            self._at = 0
        row = self._rows[-1]
        row.extend(" " * (self._at + 1 - len(row)))
        row[self._at] = char
        self._at += 1

    def lines(self) -> list[str]:
        """What stands there, without spaces at the ends and empty lines at the end."""
        lines = ["".join(row).rstrip() for row in self._rows]
        while lines and not lines[-1]:
            lines.pop()
        return lines
