"""Every statement of the ledger is one that PostgreSQL accepts."""

from importlib.resources import files

import pytest

from services.common.runtime.database import load_queries
from services.common.testing.postgres import TestDatabase

PACKAGE = "services.ledger.store"
STATEMENTS = [
    pytest.param(statement, id=f"{entry.name}:{name}")
    for entry in files(PACKAGE).iterdir()
    if entry.name.endswith(".sql")
    for name, statement in load_queries(PACKAGE, entry.name).items()
]


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_prepares(ledger_database: TestDatabase, statement: str) -> None:
    """Every named statement prepares with the rights of the runtime role."""
    async with ledger_database.open() as db, db.connection() as conn:
        await conn.prepare(statement)
