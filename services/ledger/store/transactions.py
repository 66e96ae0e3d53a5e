"""Transactions, their postings, holds and reversals."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from services.common.runtime.database import Connection, load_queries
from services.common.runtime.journal import HeadLost
from services.ledger.domain.account import Account
from services.ledger.domain.book import Book, Frozen
from services.ledger.domain.journal import Entry, Posting
from services.ledger.store.copy_rows import JournalRows

QUERIES: Final = load_queries(__package__, "transactions.sql")

TRANSACTION_KEY: Final = "transaction_pkey"
_NUMBER_KEY: Final = "transaction_shard_id_seq"
_ACCOUNT_COLUMNS: Final = (
    "account_id",
    "shard_id",
    "open_seq",
    "name",
    "asset",
    "floor",
    "gl_code",
    "open_time",
)
_HOLD_COLUMNS: Final = ("transaction_id", "shard_id", "expire_time", "state", "resolve_seq")
_REVERSAL_COLUMNS: Final = ("transaction_id", "shard_id", "reversal_seq")


class AlreadyDecided(Exception):
    """A command that was taken for new is in the journal already; who writes must look it up first."""


class Target(NamedTuple):
    """A transaction that a command names, with what became of it. ``state`` is None when it is no hold.

    ``reversal_seqs`` are the numbers of what took it back, part by part.
    """

    transaction_id: UUID
    seq: int
    kind: int
    basis: int
    expire_time: datetime | None
    state: int | None
    resolve_seq: int | None
    reversal_seqs: Sequence[int]


@dataclass(frozen=True, slots=True)
class DueHold:
    """An open hold whose time is over."""

    hold_id: UUID
    expire_time: datetime


async def frozen_outcomes(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, Frozen]:
    """Find which ids are decided already, and how."""
    rows = await conn.fetch(QUERIES["frozen_outcomes"], ids)
    return {row[0]: Frozen(row[1], row[2], row[3], row[4]) for row in rows}


async def load_targets(
    conn: Connection, shard_id: int, ids: Collection[UUID]
) -> list[tuple[Target, list[Posting]]]:
    """Read the accepted transactions among these ids, each with its postings and those of its reversals."""
    rows = await conn.fetch(QUERIES["targets"], list(ids), shard_id)
    targets = [Target._make(row) for row in rows]
    seqs = [seq for target in targets for seq in (target.seq, *target.reversal_seqs)]
    by_seq = await postings_of(conn, shard_id, seqs)
    return [
        (target, [p for seq in (target.seq, *target.reversal_seqs) for p in by_seq.get(seq, [])])
        for target in targets
    ]


async def postings_of(
    conn: Connection, shard_id: int, seqs: Sequence[int]
) -> Mapping[int, list[Posting]]:
    """Read postings by their transactions' numbers, each list in canonical order."""
    if not seqs:
        return {}
    rows = await conn.fetch(QUERIES["postings_of"], shard_id, seqs)
    return group_postings(Posting._make(row) for row in rows)


def group_postings(postings: Iterable[Posting]) -> dict[int, list[Posting]]:
    """Group postings in the journal's order by their transactions' numbers."""
    return {seq: list(group) for seq, group in groupby(postings, key=lambda p: p.seq)}


async def find_transaction(conn: Connection, transaction_id: UUID) -> Entry | None:
    """Read a recorded transaction, accepted or refused."""
    row = await conn.fetchrow(QUERIES["transaction_by_id"], transaction_id)
    return Entry._make(row) if row else None


async def holds_due(conn: Connection, shard_id: int, *, now: datetime, limit: int) -> list[DueHold]:
    """Read open holds whose time is over, the earliest first."""
    rows = await conn.fetch(QUERIES["holds_due"], shard_id, now, limit)
    return [DueHold(row[0], row[1]) for row in rows]


async def insert_journal(conn: Connection, rows: JournalRows) -> None:
    """Add a batch's transactions and postings to the journal, as they were packed.

    Raises:
        AlreadyDecided: a transaction's id is in the journal already.
        HeadLost: another writer has given the batch's numbers away.
    """
    try:
        if rows.entries:
            await _copy(conn, "transaction", rows.entries, columns=Entry._fields)
        if rows.postings:
            await _copy(conn, "posting", rows.postings, columns=Posting._fields)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == TRANSACTION_KEY:
            raise AlreadyDecided from error
        if error.constraint_name == _NUMBER_KEY:
            raise HeadLost("Another writer has taken the batch's numbers.") from error
        raise


async def _copy(conn: Connection, table: str, rows: bytes, *, columns: Sequence[str]) -> None:
    """Send packed rows: the statement, all of them and the end in one go."""
    source: Any = memoryview(rows)  # A buffer, which the driver takes and its stubs leave out.
    await conn.copy_to_table(table, source=source, columns=columns, format="binary")


async def insert_accounts(conn: Connection, opened: Sequence[Account]) -> None:
    """Add the accounts that a batch opened."""
    if opened:
        await conn.copy_records_to_table(
            "account",
            records=[
                (
                    a.account_id,
                    a.shard_id,
                    a.open_seq,
                    a.name,
                    a.asset,
                    a.floor,
                    a.gl_code,
                    a.open_time,
                )
                for a in opened
            ],
            columns=_ACCOUNT_COLUMNS,
        )


async def save_holds(conn: Connection, book: Book) -> None:
    """Write the holds that a batch made and ended, and what it reversed."""
    if book.new_holds:
        await conn.copy_records_to_table(
            "hold",
            records=[
                (h.hold_id, book.shard_id, h.expire_time, h.state, h.resolve_seq)
                for h in book.new_holds
            ],
            columns=_HOLD_COLUMNS,
        )
    made_here = {hold.hold_id for hold in book.new_holds}
    ended = [hold for hold in book.ended_holds if hold.hold_id not in made_here]
    if ended:
        status = await conn.execute(
            QUERIES["end_holds"],
            [hold.hold_id for hold in ended],
            [hold.state for hold in ended],
            [hold.resolve_seq for hold in ended],
        )
        assert status == f"UPDATE {len(ended)}", "only open holds end, and each once"
    if book.reversals:
        await conn.copy_records_to_table(
            "reversal",
            records=[(target, book.shard_id, seq) for target, seq in book.reversals],
            columns=_REVERSAL_COLUMNS,
        )
