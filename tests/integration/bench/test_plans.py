"""The plans of the hot statements: by index, in tables that are filled as in ones that were empty a moment ago."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from services.bench.size.fill_ledger import fill_transfers
from services.bench.size.fill_points import fill_points
from services.bench.size.plan import Size
from services.common.runtime.database import load_queries
from services.common.testing.postgres import Postgres, TestDatabase

SIZE = Size("small", rows=30_000, members=3_000)
LEDGER = {
    name: statement
    for file in ("accounts.sql", "transactions.sql", "journal.sql", "small_batch.sql")
    for name, statement in load_queries("services.ledger.store", file).items()
}
POINTS = {
    name: statement
    for file in (
        "members.sql",
        "holders.sql",
        "tickets.sql",
        "lots.sql",
        "checkouts.sql",
        "batch.sql",
    )
    for name, statement in load_queries("services.points.store", file).items()
}
JOURNAL = load_queries("services.common.runtime", "journal.sql")
UNITS = 500

# The tables that grow with the past and that the filling fills: a scan of one grows with it. (Of a table with a few
# rows a scan is right, and the plan changes with the next statistics.)
SCANS = re.compile(
    r"Seq Scan on (transaction|posting|account|account_balance|account_day|fact|ticket|card|member|lot)\b"
)


@dataclass(frozen=True, slots=True)
class Filled:
    """Two databases, before and after they were filled."""

    empty: TestDatabase
    full: TestDatabase


def ignore(what: str, done: int, wanted: int) -> None:
    """Hear no progress."""


@pytest.fixture(scope="module")
def ledgers(postgres: Postgres) -> Filled:
    """Make an empty ledger and a filled one."""
    return asyncio.run(_ledgers(postgres))


@pytest.fixture(scope="module")
def points(postgres: Postgres) -> Filled:
    """Make an empty database of points and a filled one."""
    return asyncio.run(_points(postgres))


async def _ledgers(postgres: Postgres) -> Filled:
    package = "services.ledger.store.migrations"
    empty = await postgres.create_template("plans_ledger_empty", package=package, journal="own")
    full = await postgres.create_template("plans_ledger", package=package, journal="own")
    await fill_transfers(full.runtime_dsn, SIZE, span=_span(), progress=ignore)
    await _settle(full)
    return Filled(empty, full)


async def _points(postgres: Postgres) -> Filled:
    package = "services.points.store.migrations"
    empty = await postgres.create_template("plans_points_empty", package=package, journal="facts")
    full = await postgres.create_template("plans_points", package=package, journal="facts")
    await fill_points(full.runtime_dsn, SIZE, span=_span(), progress=ignore)
    await _settle(full)
    return Filled(empty, full)


def _span() -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(days=20), now


async def _settle(database: TestDatabase) -> None:
    async with database.open_as_owner() as conn:
        await conn.execute("VACUUM (ANALYZE)")


@pytest.mark.parametrize("state", ["empty", "full"])
@pytest.mark.parametrize(
    "name",
    [
        "accounts_by_name",
        "accounts_by_id",
        "balance_now",
        "seq_as_of_recorded",
        "balance_as_of_seq",
        "balance_as_of_effective",
        "statement",
        "frozen_outcomes",
        "targets",
        "postings_of",
        "transaction_by_id",
        "holds_due",
        "end_holds",
        "accepted_after",
        "transactions_between",
        "postings_between",
        "openings_between",
        "write_small",
        "write_holds",
    ],
)
async def test_the_ledger_reads_by_index(ledgers: Filled, state: str, name: str) -> None:
    """A prepared plan that fits any values scans no table that grows, whenever it was made."""
    async with getattr(ledgers, state).open_as_owner() as conn:
        plan = await generic_plan(conn, LEDGER[name])

    assert not SCANS.search(plan), plan


@pytest.mark.parametrize("state", ["empty", "full"])
@pytest.mark.parametrize(
    "name",
    [
        "find_cards",
        "find_customers",
        "find_member",
        "cards_of",
        "load_members",
        "find_tickets",
        "find_conflict_hashes",
        "read_ticket",
        "load_holders",
        "find_holder",
        "find_lots",
        "due_lots",
        "update_lots",
        "find_holds",
        "due_holds",
        "update_holds",
        "find_settlements",
        "read_reversal",
        "write_batch",
        "write_holds",
    ],
)
async def test_the_points_read_by_index(points: Filled, state: str, name: str) -> None:
    """A prepared plan that fits any values scans no table that grows, whenever it was made."""
    async with getattr(points, state).open_as_owner() as conn:
        plan = await generic_plan(conn, POINTS[name])

    assert not SCANS.search(plan), plan


@pytest.mark.parametrize("state", ["empty", "full"])
@pytest.mark.parametrize("name", ["facts_after", "facts_between", "block_times", "blocks_after"])
async def test_the_journal_is_read_by_index(points: Filled, state: str, name: str) -> None:
    """The relay reads on from its place, however much lies before it."""
    async with getattr(points, state).open_as_owner() as conn:
        plan = await generic_plan(conn, JOURNAL[name])

    assert not SCANS.search(plan), plan


async def test_a_batch_of_the_ledger_reads_by_index(ledgers: Filled) -> None:
    """With the values of a whole batch, too, nothing of the journal is scanned."""
    async with ledgers.full.open_as_owner() as conn:
        head = await conn.fetchval("SELECT seq FROM shard_head")
        plans = [
            await plan_of(conn, LEDGER["frozen_outcomes"], [uuid4() for _ in range(UNITS)]),
            await plan_of(conn, LEDGER["targets"], [uuid4() for _ in range(UNITS)], 0),
            await plan_of(conn, LEDGER["postings_of"], 0, list(range(head - UNITS, head))),
            await plan_of(conn, LEDGER["accepted_after"], 0, head - UNITS, UNITS),
            await plan_of(conn, LEDGER["transactions_between"], 0, head - UNITS, head),
            await plan_of(conn, LEDGER["postings_between"], 0, head - UNITS, head),
        ]

    assert not [plan for plan in plans if SCANS.search(plan)]


async def test_a_batch_of_tickets_reads_by_index(points: Filled) -> None:
    """With the values of a whole batch, too, neither journal nor tickets are scanned."""
    async with points.full.open_as_owner() as conn:
        head = await conn.fetchval("SELECT seq FROM shard_head")
        keys = await conn.fetch(
            "SELECT store_id, business_date, till_id, sequence, kind, request_id FROM ticket LIMIT $1",
            UNITS,
        )
        plans = [
            await plan_of(conn, POINTS["find_tickets"], 0, *map(list, zip(*keys, strict=True))),
            await plan_of(conn, JOURNAL["facts_after"], 0, head - UNITS, UNITS),
            await plan_of(conn, JOURNAL["facts_between"], 0, head - UNITS, head),
        ]

    assert not [plan for plan in plans if SCANS.search(plan)]


async def generic_plan(conn: "asyncpg.Connection[asyncpg.Record]", statement: str) -> str:
    """Plan a statement as a session does that has executed it many times: for any values."""
    await conn.execute(
        "SET random_page_cost = 1.1"
    )  # As in the stack: PostgreSQL's own is that of a spinning disk.
    await conn.execute("SET plan_cache_mode = force_generic_plan")
    parameters = (await conn.prepare(statement)).get_parameters()
    await conn.execute(f"PREPARE asked AS {statement}")
    values = ", ".join("NULL" for _ in parameters)
    rows = await conn.fetch(f"EXPLAIN EXECUTE asked({values})")
    return "\n".join(row[0] for row in rows)


async def plan_of(conn: "asyncpg.Connection[asyncpg.Record]", statement: str, *values: Any) -> str:
    """Plan a statement for these values."""
    await conn.execute("SET random_page_cost = 1.1")
    rows: Sequence[Any] = await conn.fetch(f"EXPLAIN {statement}", *values)
    return "\n".join(row[0] for row in rows)
