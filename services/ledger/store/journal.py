"""The journal as a stream of facts: for the relay, the chain's verifier and the totals."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final, NamedTuple

from services.common.runtime.database import Connection, load_queries
from services.common.runtime.journal import Head
from services.ledger.domain.account import Account
from services.ledger.domain.journal import (
    Entry,
    JournalFact,
    Posting,
    Recorded,
    canonical_bytes,
    fact_seq,
)
from services.ledger.store.transactions import group_postings, postings_of

QUERIES: Final = load_queries(__package__, "journal.sql")


class Totals(NamedTuple):
    """Counts of the journal, summed over the shards of this database."""

    seq: int
    accounts: int
    transactions: int
    refusals: int
    postings: int


class TrialBalanceRow(NamedTuple):
    """Sums of one GL account, asset and basis."""

    gl_code: str
    asset: str
    basis: int
    debit: int
    credit: int


async def time_of_block(conn: Connection, head: Head) -> datetime | None:
    """Give the time of the block that made a head, or None before the first."""
    time: datetime | None = await conn.fetchval(QUERIES["time_of_block"], head.shard_id, head.seq)
    return time


async def accepted_after(conn: Connection, shard_id: int, seq: int, limit: int) -> list[Recorded]:
    """Read accepted transactions that follow a number, in order, with their postings."""
    rows = await conn.fetch(QUERIES["accepted_after"], shard_id, seq, limit)
    entries = [Entry._make(row) for row in rows]
    by_seq = await postings_of(conn, shard_id, [e.seq for e in entries])
    return [Recorded(entry, by_seq.get(entry.seq, [])) for entry in entries]


async def facts_between(
    conn: Connection, shard_id: int, seq_from: int, seq_to: int
) -> list[JournalFact]:
    """Read all facts of an inclusive range, in order; a number that is missing is simply not in the answer."""
    span = (shard_id, seq_from, seq_to)
    entries = [Entry._make(row) for row in await conn.fetch(QUERIES["transactions_between"], *span)]
    rows = await conn.fetch(QUERIES["postings_between"], *span)
    by_seq = group_postings(Posting._make(row) for row in rows)
    openings = [Account(*row) for row in await conn.fetch(QUERIES["openings_between"], *span)]
    facts: list[JournalFact] = [Recorded(e, by_seq.get(e.seq, [])) for e in entries]
    facts.extend(openings)
    facts.sort(key=fact_seq)
    return facts


async def read_fact_bytes(
    conn: Connection, shard_id: int, seq_from: int, seq_to: int
) -> Sequence[tuple[int, bytes]]:
    """Give (seq, canonical bytes) of an inclusive range: what the verifier of the chain reads."""
    facts = await facts_between(conn, shard_id, seq_from, seq_to)
    return [(fact_seq(fact), canonical_bytes(fact)) for fact in facts]


async def totals(conn: Connection) -> Totals:
    """Read the counts of the journal."""
    row = await conn.fetchrow(QUERIES["totals"])
    assert row is not None, "a sum is one row"
    return Totals._make(row)


async def trial_balance(
    conn: Connection, *, effective_through: date, recorded_through: date
) -> list[TrialBalanceRow]:
    """Sum settled postings by GL account, asset and basis, up to and including both business days."""
    rows = await conn.fetch(QUERIES["trial_balance"], effective_through, recorded_through)
    return [TrialBalanceRow._make(row) for row in rows]
