"""The one error of all decoders."""


class Undecodable(ValueError):
    """What is wrong with packed data, as the end of a sentence about it: "it is incomplete"."""
