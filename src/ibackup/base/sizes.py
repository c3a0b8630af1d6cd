"""Numbers of bytes in words."""


def size_text(count: int) -> str:
    """Bytes for people, in the decimal units used for phones and disks: ``61 GB``."""
    if count < 1000:
        return f"{count} bytes" if count != 1 else "1 byte"
    value, unit = count / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:,.0f} {unit}" if value >= 99.95 else f"{value:.3g} {unit}"


def rough_size(count: float) -> str:
    """About how many bytes, in two digits, for estimates: ``7.9 GB``."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "bytes" or value >= 99.5 else f"{value:.2g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"


def exact_size(count: int) -> str:
    """The same with every digit for those who want it: ``61.2 GB (61,234,567,890 bytes)``."""
    return size_text(count) if count < 1000 else f"{size_text(count)} ({count:,} bytes)"


def bytes_text(count: int) -> str:
    """Every digit alone: ``61,234,567,890 bytes``."""
    return f"{count:,} bytes" if count != 1 else "1 byte"
