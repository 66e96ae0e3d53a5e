"""Every statement of the points service is one that PostgreSQL accepts."""

import asyncio
from importlib.resources import files

import pytest

from services.common.runtime.database import load_queries
from services.common.testing.postgres import Postgres, TestDatabase
from tests.integration.points.conftest import MIGRATIONS

PACKAGE = "services.points.store"
STATEMENTS = [
    pytest.param(statement, id=f"{entry.name}:{name}")
    for entry in files(PACKAGE).iterdir()
    if entry.name.endswith(".sql")
    for name, statement in load_queries(PACKAGE, entry.name).items()
]


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> TestDatabase:
    """Make one database for all of this module, which writes nothing."""
    return asyncio.run(
        postgres.create_template("points_statements", package=MIGRATIONS, journal="facts")
    )


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_prepares(database: TestDatabase, statement: str) -> None:
    """Every named statement prepares with the rights of the runtime role."""
    async with database.open() as db, db.connection() as conn:
        await conn.prepare(statement)


@pytest.mark.parametrize(
    ("table", "operation"),
    [
        (table, operation)
        for table in (
            "fact",
            "block",
            "ticket",
            "ticket_conflict",
            "ticket_settlement",
            "ticket_reversal",
            "programme",
            "card",
        )
        for operation in ("DELETE", "UPDATE")
    ],
)
async def test_the_service_cannot_rewrite_history(
    database: TestDatabase, table: str, operation: str
) -> None:
    """The runtime role has no right to change or remove what was recorded."""
    async with database.open() as db, db.connection() as conn:
        allowed = await conn.fetchval(
            "SELECT has_table_privilege(current_user, $1, $2)", table, operation
        )

    assert not allowed
