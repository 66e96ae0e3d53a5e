"""The journal of a service whose facts are its published events: points and wallet."""

from collections.abc import AsyncIterator
from typing import Final

from services.auditor.journal import Block, ChainAudit, JournalFact, StoredHead
from services.auditor.report import BreakKind, Check
from services.auditor.schema import ServiceSchema, audit_schema
from services.auditor.snapshot import batches
from services.auditor.tally import Listener, Tally
from services.common.kernel.chain import fact_bytes
from services.common.runtime.database import Connection, load_queries

QUERIES: Final = load_queries(__package__, "journal.sql")


async def audit_fact_journal(conn: Connection, service: str, *, listener: Listener) -> list[Check]:
    """Prove the hash chain over a service's facts, its relay and its schema."""
    schema = ServiceSchema(service, journal="facts", append_only=("fact", "block"))
    audit = ChainAudit(service, listener=listener)
    checks = await audit.run(stored_facts(conn), stored_blocks(conn), await stored_heads(conn))
    return [
        *checks,
        await _audit_event_ids(conn, service, listener=listener),
        await audit_relay(conn, service, listener=listener),
        await audit_schema(conn, schema, listener=listener),
    ]


async def _audit_event_ids(conn: Connection, service: str, *, listener: Listener) -> Check:
    """Prove that no event stands in the journal twice."""
    tally = Tally(f"{service}.event_ids", listener=listener)
    tally.cover(int(await conn.fetchval(QUERIES["count_facts"])))
    async for rows in batches(conn, QUERIES["repeated_events"]):
        for event_id, times in rows:
            tally.blame(f"event {event_id} is recorded {times} times")
    return tally.close("every event is recorded once")


async def stored_heads(conn: Connection) -> list[StoredHead]:
    """Read the head of every shard."""
    return [StoredHead(*row) for row in await conn.fetch(QUERIES["heads"])]


async def stored_blocks(conn: Connection) -> AsyncIterator[Block]:
    """Stream the blocks by shard and last number."""
    async for rows in batches(conn, QUERIES["blocks"]):
        for row in rows:
            yield Block(*row)


async def stored_facts(conn: Connection) -> AsyncIterator[JournalFact]:
    """Stream the facts by shard and number, as the bytes that were hashed."""
    async for rows in batches(conn, QUERIES["facts"]):
        for shard_id, seq, event_id, event_type, subject, payload in rows:
            content = fact_bytes(
                seq=seq, event_id=event_id, event_type=event_type, subject=subject, payload=payload
            )
            yield JournalFact(shard_id, seq, content)


async def audit_relay(conn: Connection, service: str, *, listener: Listener) -> Check:
    """Prove that everything in the journal was handed to the broker, and nothing beyond it."""
    tally = Tally(f"{service}.relay", listener=listener)
    for shard_id, seq, published in await conn.fetch(QUERIES["relay_lag"]):
        tally.cover(1)
        tally.expect(
            holds=seq == published,
            offender=f"shard {shard_id}: the relay is at seq {published}, the journal ends at {seq}",
            kind=BreakKind.BUSINESS if published < seq else BreakKind.PROOF,
        )
    for (shard_id,) in await conn.fetch(QUERIES["lost_cursors"]):
        tally.blame(f"shard {shard_id}: has a relay cursor and no journal")
    return tally.close("the relay handed every fact to the broker")
