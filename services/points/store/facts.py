"""Facts of the domain to facts of the journal, and from the journal to the relay."""

from collections.abc import Iterable

from cagnotte.common.v1 import event_pb2
from services.common.runtime.database import Connection
from services.common.runtime.journal import Fact, RecordedFact, facts_after
from services.common.runtime.relay import OutgoingFact
from services.points.codec.event import MESSAGES, render_event
from services.points.domain.event import Event


def to_facts(events: Iterable[Event]) -> list[Fact]:
    """Give the journal's facts of events, in their order."""
    facts = []
    for event in events:
        event_type, payload = render_event(event)
        facts.append(Fact(event.stamp.event_id, event_type, event.subject, payload))
    return facts


class PointsFacts:
    """What the relay publishes: every fact, under the key of its subject."""

    async def facts_after(
        self, conn: Connection, shard_id: int, seq: int, limit: int
    ) -> list[OutgoingFact]:
        """Give at most ``limit`` facts that follow ``seq``, in order."""
        return [_to_outgoing(fact) for fact in await facts_after(conn, shard_id, seq, limit)]


def _to_outgoing(fact: RecordedFact) -> OutgoingFact:
    message = MESSAGES[fact.event_type].FromString(fact.payload)
    metadata: event_pb2.EventMetadata = message.metadata  # type: ignore[attr-defined]  # every fact begins with it
    return OutgoingFact(
        seq=fact.seq,
        event_id=fact.event_id,
        type_name=message.DESCRIPTOR.full_name,
        key=str(fact.subject).encode(),
        payload=fact.payload,
        time=fact.recorded_time,
        traceparent=metadata.trace_parent,
    )
