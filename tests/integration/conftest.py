"""Real servers for integration tests: one PostgreSQL a test run."""

from collections.abc import Iterator

import pytest

from services.common.testing.postgres import Postgres, start_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Give the run's PostgreSQL; services clone their template database in it."""
    with start_postgres() as server:
        yield server
