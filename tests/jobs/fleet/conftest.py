"""The store that is copied."""

from copies.conftest import backed_up  # noqa: F401 - a fixture
