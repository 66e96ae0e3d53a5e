"""Every statement of the wallet is one that PostgreSQL accepts."""

import asyncio
from importlib.resources import files
from uuid import uuid4

import pytest

from services.common.runtime.database import load_queries
from services.common.testing.postgres import Postgres, TestDatabase

MIGRATIONS = "services.wallet.store.migrations"
PACKAGE = "services.wallet.store"
STATEMENTS = [
    pytest.param(statement, id=f"{entry.name}:{name}")
    for entry in files(PACKAGE).iterdir()
    if entry.name.endswith(".sql")
    for name, statement in load_queries(PACKAGE, entry.name).items()
]


@pytest.fixture(scope="module")
def statements_database(postgres: Postgres) -> TestDatabase:
    """Make one database for all of this module, which writes nothing."""
    return asyncio.run(
        postgres.create_template("wallet_statements", package=MIGRATIONS, journal="facts")
    )


@pytest.mark.parametrize("statement", STATEMENTS)
async def test_prepares(statements_database: TestDatabase, statement: str) -> None:
    """Every named statement prepares with the rights of the runtime role."""
    async with statements_database.open() as db, db.connection() as conn:
        await conn.prepare(statement)


async def test_facts_are_found_by_their_subject(statements_database: TestDatabase) -> None:
    """Reading a checkout costs the same however long the journal is."""
    statement = load_queries(PACKAGE, "payments.sql")["facts_since"]
    async with statements_database.open() as db, db.connection() as conn:
        plan = await conn.fetch(f"EXPLAIN {statement}", 0, [uuid4()], [0])

    assert any("fact_subject_seq" in row[0] for row in plan)


async def test_facts_are_found_by_a_plan_that_is_made_once(
    statements_database: TestDatabase,
) -> None:
    """One made anew for each statement takes longer than the statement itself."""
    statement = load_queries(PACKAGE, "payments.sql")["facts_since"]
    async with statements_database.open() as db, db.connection() as conn:
        for _ in range(10):
            await conn.fetch(statement, 0, [uuid4()], [0])
        made_once = await conn.fetchval(
            "SELECT generic_plans FROM pg_prepared_statements WHERE statement = $1", statement
        )

    assert made_once


@pytest.mark.parametrize(
    ("table", "operation"),
    [
        (table, operation)
        for table in ("fact", "block", "payment_reference", "provider_event")
        for operation in ("DELETE", "UPDATE")
    ],
)
async def test_the_service_cannot_rewrite_history(
    statements_database: TestDatabase, table: str, operation: str
) -> None:
    """The runtime role has no right to change or remove what was recorded."""
    async with statements_database.open() as db, db.connection() as conn:
        allowed = await conn.fetchval(
            "SELECT has_table_privilege(current_user, $1, $2)", table, operation
        )

    assert not allowed
