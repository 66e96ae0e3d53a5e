"""Ways to tamper with a table, and where each table's tampering must be noticed.

Columns come from ``information_schema``: a column that a migration adds is tampered with by
itself, and fails the test until a check covers it or it stands in ``LEFT_OUT`` with a reason.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TypeAlias

import asyncpg

from services.auditor.books import audit_books, audit_checkout_books
from services.auditor.event_journals import audit_points_journal, audit_wallet_journal
from services.auditor.hand_postings import audit_hand_postings
from services.auditor.ledger_journal import audit_ledger_journal
from services.auditor.ledger_state import audit_ledger_state
from services.auditor.lots import audit_lots
from services.auditor.parallel import PartBody, Sources
from services.auditor.points_members import SHARES, audit_points_members
from services.auditor.report import Check, VerifyReport
from services.auditor.snapshot import frozen
from services.auditor.tally import Listener, ignore_progress
from services.auditor.wallet_state import audit_wallet
from services.common.kernel.chain import GENESIS, block_hash
from services.ledger.store.journal import read_fact_bytes
from tests.integration.auditor.stage import Stack

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, slots=True)
class Watch:
    """Who watches a table: the part of the audit, and the checks of which one must fail."""

    body: PartBody
    checks: frozenset[str]


async def audit_all_members(sources: Sources, listener: Listener) -> list[Check]:
    """Run all shares of the audit of members."""
    shares = [await audit_points_members(share, sources, listener) for share in range(SHARES)]
    return list(VerifyReport.of(chain.from_iterable(shares)).checks)


def watched(body: PartBody, *checks: str) -> Watch:
    """Name a table's watch."""
    return Watch(body, frozenset(checks))


def _journal_tables(service: str, body: PartBody) -> dict[tuple[str, str], Watch]:
    """Name the watches of the tables that every service has."""
    chain = (f"{service}.blocks", f"{service}.hash_chain", f"{service}.sequence")
    return {
        (service, "shard_head"): watched(body, f"{service}.blocks", f"{service}.relay"),
        (service, "block"): watched(body, *chain),
        (service, "relay_cursor"): watched(body, f"{service}.relay"),
        (service, "schema_migration"): watched(body, f"{service}.schema"),
    }


def _fact_table(service: str, body: PartBody) -> dict[tuple[str, str], Watch]:
    chain = (f"{service}.hash_chain", f"{service}.sequence")
    return {(service, "fact"): watched(body, *chain)}


def _points_tables() -> dict[tuple[str, str], Watch]:
    """Name the watches of the state tables of points: each has a check of its own."""
    checks = {
        "member": "points.members",
        "card": "points.cards",
        "programme": "points.programmes",
        "ticket_conflict": "points.conflicts",
        "lot": "points.lots",
        "loyalty_hold": "points.holds",
        "hold_lot": "points.hold_lots",
        "member_balance": "points.balances",
        "ticket": "points.tickets",
        "ticket_settlement": "points.settlements",
        "ticket_reversal": "points.reversals",
    }
    again = "points.facts_fold_again"
    return {
        ("points", table): watched(audit_all_members, check, again)
        for table, check in checks.items()
    }


def _ledger_tables() -> dict[tuple[str, str], Watch]:
    """Name the watches of the ledger: its journal by the chain, its state by sums."""
    chain = ("ledger.hash_chain", "ledger.sequence")
    journal = {
        ("ledger", table): watched(audit_ledger_journal, *chain)
        for table in ("account", "transaction", "posting")
    }
    state = {
        "hold": "ledger.holds",
        "reversal": "ledger.reversals",
        "account_day": "ledger.account_days",
        "gl_day": "ledger.gl_days",
        "journal_total": "ledger.totals",
    }
    balance = watched(audit_ledger_state, "ledger.account_balances", "ledger.account_days")
    return (
        journal
        | {("ledger", "account_balance"): balance}
        | {("ledger", table): watched(audit_ledger_state, check) for table, check in state.items()}
    )


def _wallet_tables() -> dict[tuple[str, str], Watch]:
    """Name the watches of the wallet's state: it is what its facts fold to."""
    checks = {"payment": "wallet.payments", "payment_reference": "wallet.references"}
    return {("wallet", table): watched(audit_wallet, check) for table, check in checks.items()}


WATCHES: dict[tuple[str, str], Watch] = (
    _ledger_tables()
    | _wallet_tables()
    | _points_tables()
    | _fact_table("points", audit_points_journal)
    | _fact_table("wallet", audit_wallet_journal)
    | _journal_tables("ledger", audit_ledger_journal)
    | _journal_tables("points", audit_points_journal)
    | _journal_tables("wallet", audit_wallet_journal)
)

_BROKER = "where the broker put the last fact: a wrong value costs a republication, never a fact"
_CLOCK = "an operator's setting of a development stack, in no journal"
_INBOX = "a consumer's memory of what it has seen; the effects prove themselves"
_HINT = (
    "what the provider told us, and up to where: a hint to ask again, which no fact follows from"
)
LEFT_OUT: dict[str, str] = {
    "provider_event": _HINT,
    "provider_cursor": _HINT,
    "relay_offset": _BROKER,
    "service_clock": _CLOCK,
    "inbox": _INBOX,
    "shard_head.epoch": "the fence between writers: it orders them and says nothing of the past",
    "schema_migration.apply_time": "when a migration ran: nothing follows from it",
}
"""Tables and columns that verify cannot prove, in every service, with the reason."""

ALL_PARTS: Sequence[PartBody] = (
    audit_ledger_journal,
    audit_ledger_state,
    audit_points_journal,
    audit_all_members,
    audit_books,
    audit_checkout_books,
    audit_lots,
    audit_hand_postings,
    audit_wallet,
    audit_wallet_journal,
)

CHANGES = {
    "bigint": ("{} + 1", "{} + 1000003"),
    "integer": ("{} + 1", "{} + 1000003"),
    "smallint": ("{} + 1", "{} - 1", "{} + 101"),
    "uuid": ("gen_random_uuid()",),
    "text": ("{} || 'x'",),
    "bytea": ("set_byte({0}, length({0}) - 1, 255 - get_byte({0}, length({0}) - 1))",),
    "timestamp with time zone": ("{} + interval '1 microsecond'",),
    "date": ("{} + 1",),
    "boolean": ("NOT {}",),
}
"""How to alter a value by its type; the later ones are for keys whose neighbor is taken."""

VALUES = {
    "bigint": "1",
    "uuid": "gen_random_uuid()",
    "timestamp with time zone": "now()",
    "text": "'x'",
    "date": "DATE '2000-01-01'",
    "smallint": "1",
}
"""What to put where there was nothing."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as the database describes it."""

    name: str
    type_name: str
    nullable: bool

    def alterations(self) -> Sequence[tuple[str, tuple[str, ...]]]:
        """Give (which rows, expressions of which the first possible one is used)."""
        name = f'"{self.name}"'
        there, absent = f"{name} IS NOT NULL", f"{name} IS NULL"
        changes = [(there, tuple(change.format(name) for change in CHANGES[self.type_name]))]
        if self.nullable:
            changes.append((there, ("NULL",)))
            changes.append((absent, (VALUES[self.type_name],)))
        return changes


async def tables_of(conn: Owner) -> list[str]:
    """List a database's tables."""
    rows = await conn.fetch(
        "SELECT table_name FROM information_schema.tables"
        " WHERE table_schema = 'public' ORDER BY table_name"
    )
    return [row[0] for row in rows]


async def columns_of(conn: Owner, table: str) -> list[Column]:
    """List a table's columns that mean something."""
    rows = await conn.fetch(
        "SELECT column_name, data_type, is_nullable = 'YES' FROM information_schema.columns"
        " WHERE table_schema = 'public' AND table_name = $1 ORDER BY ordinal_position",
        table,
    )
    return [Column(*row) for row in rows if f"{table}.{row[0]}" not in LEFT_OUT]


@asynccontextmanager
async def tampering(conn: Owner, table: str) -> AsyncIterator[None]:
    """Let the body change a table, then put back what was there."""
    await conn.execute(f'CREATE TEMP TABLE saved AS TABLE public."{table}"')
    try:
        yield
    finally:
        await conn.execute(f'TRUNCATE public."{table}"')
        await conn.execute(f'INSERT INTO public."{table}" SELECT * FROM saved')
        await conn.execute("DROP TABLE saved")


async def drop_checks(conn: Owner, table: str) -> None:
    """Drop what would stop an honest mistake: whoever tampers is not stopped by it."""
    rows = await conn.fetch(
        "SELECT conname FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'c'",
        f'public."{table}"',
    )
    for row in rows:
        await conn.execute(f'ALTER TABLE public."{table}" DROP CONSTRAINT "{row[0]}"')


async def failing(stack: Stack, bodies: Sequence[PartBody]) -> set[str]:
    """Run parts of the audit and name the checks that fail."""
    async with AsyncExitStack() as snapshots:
        sources = Sources(
            ledger=await snapshots.enter_async_context(frozen(stack.ledger.owner_dsn)),
            points=await snapshots.enter_async_context(frozen(stack.points.owner_dsn)),
            wallet=await snapshots.enter_async_context(frozen(stack.wallet.owner_dsn)),
            chart_file=None,
        )
        names = set()
        for body in bodies:
            names |= {check.name for check in await body(sources, ignore_progress) if not check.ok}
        return names


async def alter_first(conn: Owner, table: str, column: str, where: str, how: Sequence[str]) -> bool:
    """Alter one value by the first way that the keys allow; tell whether there was a row."""
    target = f'SELECT ctid FROM public."{table}" WHERE {where} ORDER BY ctid DESC LIMIT 1'
    for expression in how:
        try:
            status = await conn.execute(
                f'UPDATE public."{table}" SET "{column}" = {expression} WHERE ctid = ({target})'
            )
        except (asyncpg.UniqueViolationError, asyncpg.NotNullViolationError):
            continue
        return status == "UPDATE 1"
    return False


async def double_row(conn: Owner, table: str, column: str, how: Sequence[str]) -> bool:
    """Insert a copy of the last row with one column altered; tell whether the keys allow it."""
    await conn.execute(
        f'CREATE TEMP TABLE copy AS SELECT * FROM public."{table}" ORDER BY ctid DESC LIMIT 1'
    )
    try:
        await conn.execute(f'UPDATE copy SET "{column}" = {how[-1]}')
        await conn.execute(f'INSERT INTO public."{table}" SELECT * FROM copy')
    except (asyncpg.UniqueViolationError, asyncpg.NotNullViolationError):
        return False
    finally:
        await conn.execute("DROP TABLE copy")
    return True


async def hash_again(conn: Owner) -> None:
    """Forge the ledger's chain: hash every block over what the tables say now."""
    prev = GENESIS
    blocks = await conn.fetch("SELECT seq_from, seq_to, recorded_time FROM block ORDER BY seq_to")
    for seq_from, seq_to, recorded_time in blocks:
        facts = await read_fact_bytes(conn, 0, seq_from, seq_to)
        forged = block_hash(
            prev,
            shard_id=0,
            seq_from=seq_from,
            seq_to=seq_to,
            recorded_time=recorded_time,
            facts=[content for _, content in facts],
        )
        await conn.execute(
            "UPDATE block SET prev_hash = $2, hash = $3 WHERE seq_to = $1", seq_to, prev, forged
        )
        prev = forged
    await conn.execute("UPDATE shard_head SET head_hash = $1", prev)
