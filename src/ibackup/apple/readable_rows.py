"""All rows of a manifest that can be read, however damaged it is."""

import contextlib
from collections.abc import Callable, Iterator

from ibackup.apple.format_errors import FormatError
from ibackup.apple.rows import BadRow, Row, Rows


def readable_rows(
    rows: Rows, domain: str | None, recovered: Callable[[], Rows | None]
) -> Iterator[Row | BadRow]:
    """All rows, or those of one domain; what is lost is returned as bad rows.

    Args:
        rows: the manifest.
        domain: only its rows, if there is one.
        recovered: reads the manifest page by page; called only if it is damaged.
    """
    count = 0
    try:
        for row in rows.rows(domain):
            count += 1
            yield row
        return
    except FormatError:
        pass
    seen: set[int] = set()
    for row in rows.salvaged_rows(domain):
        if isinstance(row, BadRow) and not row.file_id:
            yield row  # lost rows
            continue
        seen.add(hash(row.file_id))
        if count:
            count -= 1
        else:
            yield row
    more = recovered()
    if more is not None:
        with contextlib.closing(more):
            yield from (row for row in more.rows(domain) if hash(row.file_id) not in seen)
