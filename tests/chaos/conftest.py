"""Places for histories, shared by a module's tests."""

from collections.abc import Generator

import pytest

from benchmarks.chaos.campaign import places
from benchmarks.chaos.place import Place


@pytest.fixture(scope="package")
def where() -> Generator[list[Place]]:
    """Three places: most of a history is waiting, so they share two cores well."""
    with places(3) as made:
        yield made
