"""Names that a phone, an app or a folder may have to be something else than a name where they are shown."""

NAMES = (
    "two\nlines\r\nHeader: x",
    "\"double\" 'single' `back`",
    "%n %s %% %i $HOME $(touch owned) ${x} `touch owned`",
    "<b onload=x>&lt;</b> ]]> <!-- -->",
    "a\0b",
    "right\u202etfel",
    "\u009b31mred\x1b[31m\x1b]0;title\x07",
    "half\ud800",
    '-edo shell script "touch owned" --',
    "--help",
    "../../../etc/passwd",
    "x" * 10_000,
)


def steers(text: str) -> str:
    """What in a text would steer a terminal, or is no text; our own line breaks are neither."""
    return "".join(char for char in text if char != "\n" and not char.isprintable())
