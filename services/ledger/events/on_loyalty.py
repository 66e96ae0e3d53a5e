"""Books the facts of the points service: each bookable event becomes one transaction under the event's id."""

from collections.abc import Sequence
from typing import Final

import structlog
from prometheus_client import Counter

from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.kafka_events import IncomingEvent
from services.ledger.codec.points_events import EventUnreadable, parse_event
from services.ledger.domain.batch import Result, Unit
from services.ledger.domain.chart import Chart
from services.ledger.domain.posting_rules import expected_transaction
from services.ledger.domain.transaction import Outcome, TransactionCommand

REFUSED: Final = Counter(
    "cagnotte_ledger_events_refused", "Events that could not be booked as they are.", ["reason"]
)

log = structlog.get_logger(__name__)


class BookLoyalty:
    """The two halves of consuming: reading an event as a command, and posting a batch of commands.

    Redelivery is harmless: a known id gets its frozen outcome again. A refusal is frozen too, so it is reported here
    and found by ``verify``, never retried.
    """

    def __init__(self, engine: GroupCommit[Unit, Result], chart: Chart) -> None:
        self._engine = engine
        self._chart = chart

    def parse(self, event: IncomingEvent) -> TransactionCommand | None:
        """Give the transaction that an event must become, or None when it books nothing.

        Raises:
            EventNotBookable: it cannot be read, or the chart has no place for it.
        """
        bookable = parse_event(event.type_name, event.payload)
        if bookable is None:
            return None
        if bookable.event_id != event.event_id:
            raise EventUnreadable("The event's id differs from that of its headers.")
        return expected_transaction(bookable, self._chart)

    async def handle(self, commands: Sequence[TransactionCommand]) -> None:
        """Post commands in their order; return when all outcomes are durable.

        A full queue or a database that is away raises, and the consume loop brings the events again.
        """
        for result in await self._engine.submit_many(commands):
            assert isinstance(result, Outcome), "a transaction has an outcome"
            if result.refusal is not None:
                REFUSED.labels(result.refusal.name).inc()
                log.error(
                    "ledger.event_refused",
                    transaction_id=str(result.transaction_id),
                    reason=result.refusal.name,
                )
