"""Numbers with their nouns."""


def counted(number: int, nouns: str) -> str:
    """A number with its noun, given in the plural: "1 reply", "12 replies"."""
    if number != 1:
        return f"{number:,} {nouns}"
    return f"1 {nouns.removesuffix('ies')}y" if nouns.endswith("ies") else f"1 {nouns.removesuffix('s')}"
