"""Phones in networks of a test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from support.networks import NoNetworks, Space, spaces

MakeSpaces = Callable[[int], list[Space]]


@pytest.fixture
def make_spaces(require_tool: Callable[[str], str]) -> Iterator[MakeSpaces]:
    """Gives a function that makes namespaces; without them the test is skipped."""
    require_tool("ip")
    require_tool("nsenter")
    with ExitStack() as stack:

        def make(count: int) -> list[Space]:
            try:
                return stack.enter_context(spaces(count))
            except NoNetworks as error:
                pytest.skip(str(error))

        yield make
