"""The ledger's own journal: account openings and transactions with their postings, in order."""

import struct
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

from services.auditor.facts import audit_relay, stored_blocks, stored_heads
from services.auditor.journal import ChainAudit, JournalFact
from services.auditor.merge import merge
from services.auditor.parallel import Sources
from services.auditor.report import Check
from services.auditor.schema import ServiceSchema, audit_schema
from services.auditor.snapshot import batches, reading
from services.auditor.tally import Listener
from services.common.runtime.database import Connection, load_queries
from services.ledger.domain.account import Account
from services.ledger.domain.journal import Entry, Posting, Recorded, canonical_bytes

QUERIES: Final = load_queries(__package__, "ledger_journal.sql")


SCHEMA: Final = ServiceSchema(
    "ledger", journal="own", append_only=("account", "transaction", "posting", "reversal", "block")
)


class Place(NamedTuple):
    """Where a fact stands: sorts the three tables of the journal into one."""

    shard_id: int
    seq: int


class Orphans(NamedTuple):
    """Postings of a number that no transaction has."""

    place: Place


NEVER_HASHED: Final = b"no canonical form"
"""Stands for what the service cannot have written."""


async def audit_ledger_journal(sources: Sources, listener: Listener) -> list[Check]:
    """Prove the ledger's hash chain from the canonical bytes of what its tables say now."""
    async with reading(sources.ledger) as conn:
        audit = ChainAudit("ledger", listener=listener)
        checks = await audit.run(
            _canonical_facts(conn), stored_blocks(conn), await stored_heads(conn)
        )
        return [
            *checks,
            await audit_relay(conn, "ledger", listener=listener),
            await audit_schema(conn, SCHEMA, listener=listener),
        ]


async def _canonical_facts(conn: Connection) -> AsyncIterator[JournalFact]:
    """Stream openings and transactions in the order of their numbers.

    A number that is used twice comes twice, and postings without a transaction come alone: both
    break the sequence.
    """
    async for place, account, recorded in merge(_openings(conn), _transactions(conn)):
        if account is not None:
            yield JournalFact(place.shard_id, place.seq, _bytes(account))
        if recorded is not None:
            yield JournalFact(place.shard_id, place.seq, _bytes(recorded))


def _bytes(fact: Account | Recorded | Orphans) -> bytes:
    """Render what was hashed; a row that has no canonical form was never hashed."""
    if isinstance(fact, Orphans):
        return NEVER_HASHED
    try:
        return canonical_bytes(fact)
    except (struct.error, AssertionError):
        return NEVER_HASHED


async def _openings(conn: Connection) -> AsyncIterator[tuple[Place, Account]]:
    """Stream the accounts in the order in which they were opened."""
    async for rows in batches(conn, QUERIES["openings"]):
        for row in rows:
            account = Account(*row)
            yield Place(account.shard_id, account.open_seq), account


async def _transactions(conn: Connection) -> AsyncIterator[tuple[Place, Recorded | Orphans]]:
    """Stream the transactions with the postings of their number, by account, then layer."""
    async for place, entry, postings in merge(_entries(conn), _postings(conn)):
        if entry is None:
            yield place, Orphans(place)
        else:
            yield place, Recorded(entry, postings or ())


async def _entries(conn: Connection) -> AsyncIterator[tuple[Place, Entry]]:
    """Stream the transactions in the order of the journal."""
    async for rows in batches(conn, QUERIES["transactions"]):
        for row in rows:
            entry = Entry(*row)
            yield Place(entry.shard_id, entry.seq), entry


async def _postings(conn: Connection) -> AsyncIterator[tuple[Place, list[Posting]]]:
    """Stream the postings in the order of the journal, those of one number together."""
    place, own = Place(0, 0), list[Posting]()
    async for rows in batches(conn, QUERIES["postings"]):
        for row in rows:
            posting = Posting(*row)
            if (posting.shard_id, posting.seq) != place:
                if own:
                    yield place, own
                place, own = Place(posting.shard_id, posting.seq), []
            own.append(posting)
    if own:
        yield place, own
