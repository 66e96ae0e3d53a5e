"""Real servers for integration tests: one PostgreSQL a test run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from deploy.local.accounts import postgres_account
from deploy.local.postgres_install import postgres_programs
from services.common.testing.postgres import Postgres, start_postgres

PROGRAMS_VARIABLE: Final = "CAGNOTTE_TEST_POSTGRES_BIN"
"""Names the folder of another PostgreSQL's programs (``make test-postgres``)."""


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """Give the run's PostgreSQL; services clone their template database in it."""
    chosen = os.environ.get(PROGRAMS_VARIABLE)
    new_data = tmp_path_factory.getbasetemp() / "none-yet"
    programs = Path(chosen) if chosen else postgres_programs(postgres_account(new_data))
    with start_postgres(programs) as server:
        yield server
