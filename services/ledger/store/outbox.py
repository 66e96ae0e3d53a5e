"""The journal as the relay publishes it."""

from services.common.runtime.database import Connection
from services.common.runtime.relay import OutgoingFact
from services.ledger.codec.journal_events import render_event
from services.ledger.store.accounts import AccountDirectory
from services.ledger.store.journal import accepted_after


class JournalFacts:
    """Accepted transactions as events, keyed by shard so that a shard's journal stays in order.

    Refusals and openings of accounts are facts of the journal that concern nobody outside.
    """

    def __init__(self, directory: AccountDirectory) -> None:
        self._directory = directory

    async def facts_after(
        self, conn: Connection, shard_id: int, seq: int, limit: int
    ) -> list[OutgoingFact]:
        """Give at most ``limit`` facts that follow ``seq``, in order; none at the end."""
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
