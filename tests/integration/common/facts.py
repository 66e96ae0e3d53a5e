"""Facts for the tests of journal and relay."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from services.common.kernel.ids import new_uuid7
from services.common.runtime.database import Connection, Database
from services.common.runtime.journal import Fact, Head, append_facts, facts_after, lock_head
from services.common.runtime.relay import OutgoingFact

NOW = datetime(2017, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
TOPIC = "cagnotte.points.v1.loyalty"


def make_facts(count: int, *, subjects: int = 5) -> list[Fact]:
    """Make facts of a few subjects in turn."""
    return [
        Fact(new_uuid7(), 1, UUID(int=1 + n % subjects), f"payload {n}".encode())
        for n in range(count)
    ]


async def journal(db: Database, facts: Sequence[Fact]) -> Head:
    """Append facts as one batch."""
    async with db.transaction() as conn:
        head = await lock_head(conn, 0)
        return await append_facts(conn, head, facts, recorded_time=NOW)


class JournalFacts:
    """The shared journal as a relay's source."""

    async def facts_after(
        self, conn: Connection, shard_id: int, seq: int, limit: int
    ) -> list[OutgoingFact]:
        """Give every fact, keyed by its subject."""
        return [
            OutgoingFact(
                seq=fact.seq,
                event_id=fact.event_id,
                type_name="cagnotte.test.v1.Happened",
                key=str(fact.subject).encode(),
                payload=fact.payload,
                time=fact.recorded_time,
            )
            for fact in await facts_after(conn, shard_id, seq, limit)
        ]
