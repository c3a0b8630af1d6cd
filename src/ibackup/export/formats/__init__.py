"""Writers of the formats that other programs read: they turn records into text and touch no file."""
