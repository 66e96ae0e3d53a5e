"""The journal as the relay publishes it."""

import asyncio
from time import monotonic
from typing import Final

from services.common.runtime.database import Connection
from services.common.runtime.relay import OutgoingFact
from services.ledger.codec.journal_events import render_event
from services.ledger.store.accounts import AccountDirectory
from services.ledger.store.journal import accepted_after

_LARGE_BATCH: Final = 200
_BUSY_SECONDS: Final = 0.5
_GIVE_WAY_SECONDS: Final = 0.02
_GIVE_WAY_TIMES_MAX: Final = 25


class JournalFacts:
    """Accepted transactions as events, keyed by shard so that a shard's journal stays in order.

    Refusals and openings of accounts are facts of the journal that concern nobody outside. While callers keep the
    writer at work with large batches, publishing gives way to it, for half a second at a time: what callers wait for
    comes first, what is published may follow later.
    """

    def __init__(self, directory: AccountDirectory) -> None:
        self._directory = directory
        self._large_batch_seconds = -_BUSY_SECONDS

    def note_commit(self, units: int) -> None:
        """Take note of a batch that this process has committed."""
        if units >= _LARGE_BATCH:
            self._large_batch_seconds = monotonic()

    async def facts_after(
        self, conn: Connection, shard_id: int, seq: int, limit: int
    ) -> list[OutgoingFact]:
        """Give at most ``limit`` facts that follow ``seq``, in order; none at the end."""
        await self._give_way()
        recorded = await accepted_after(conn, shard_id, seq, limit)
        accounts = await self._directory.by_id(
            conn, {posting.account_id for _, postings in recorded for posting in postings}
        )
        key = str(shard_id).encode()
        facts = []
        for fact in recorded:
            type_name, payload = render_event(fact, accounts)
            entry = fact.entry
            facts.append(
                OutgoingFact(
                    seq=entry.seq,
                    event_id=entry.transaction_id,
                    type_name=type_name,
                    key=key,
                    payload=payload,
                    time=entry.recorded_time,
                )
            )
        return facts

    async def _give_way(self) -> None:
        for _ in range(_GIVE_WAY_TIMES_MAX):
            if monotonic() - self._large_batch_seconds >= _BUSY_SECONDS:
                return
            await asyncio.sleep(_GIVE_WAY_SECONDS)
