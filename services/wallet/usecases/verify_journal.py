"""Recomputes the hash chain of the wallet's journal."""

from services.common.runtime.database import Database
from services.common.runtime.journal import ChainReport, read_fact_bytes, read_head, verify_chain


async def verify_journal(db: Database, *, shard_id: int) -> tuple[ChainReport, bytes]:
    """Recompute the chain of a shard, streaming; give the report and the head's hash."""
    async with db.snapshot() as conn:
        report = await verify_chain(conn, shard_id, read_fact_bytes)
        head = await read_head(conn, shard_id)
    return report, head.head_hash
