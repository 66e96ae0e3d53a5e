"""Books the facts of other services: each bookable event becomes its transactions, under ids that follow from it."""

from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

import structlog
from prometheus_client import Counter

from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.kafka_events import IncomingEvent
from services.ledger.codec.event_parts import EventUnreadable
from services.ledger.domain.batch import Result, Unit
from services.ledger.domain.chart import Chart
from services.ledger.domain.posting_events import BookableEvent
from services.ledger.domain.posting_rules import expected_transactions
from services.ledger.domain.transaction import Outcome, TransactionCommand

REFUSED: Final = Counter(
    "cagnotte_ledger_events_refused", "Events that could not be booked as they are.", ["reason"]
)

Parse = Callable[[str, bytes], BookableEvent | None]
"""Reads an event by its full name; None for one that the books never look at."""

log = structlog.get_logger(__name__)


class BookEvents:
    """The two halves of consuming: reading an event as commands, and posting the commands of a batch.

    Redelivery is harmless: a known id gets its frozen outcome again. A refusal is frozen too, so it is reported here
    and found by ``verify``, never retried; it disturbs no other command, not even of the same event.
    """

    def __init__(self, engine: GroupCommit[Unit, Result], chart: Chart, *, parse: Parse) -> None:
        self._engine = engine
        self._chart = chart
        self._parse = parse

    def parse(self, event: IncomingEvent) -> tuple[TransactionCommand, ...] | None:
        """Give the transactions that an event must become, or None when it books nothing.

        Raises:
            EventNotBookable: it cannot be read, or the chart has no place for it.
        """
        bookable = self._parse(event.type_name, event.payload)
        if bookable is None:
            return None
        if bookable.event_id != event.event_id:
            raise EventUnreadable("The event's id differs from that of its headers.")
        return expected_transactions(bookable, self._chart) or None

    async def handle(self, events: Sequence[tuple[TransactionCommand, ...]]) -> None:
        """Post the commands of events in their order; return when all outcomes are durable.

        A full queue or a database that is away raises, and the consume loop brings the events again.
        """
        for result in await self._engine.submit_many([*chain.from_iterable(events)]):
            assert isinstance(result, Outcome), "a transaction has an outcome"
            if result.refusal is not None:
                REFUSED.labels(result.refusal.name).inc()
                log.error(
                    "ledger.event_refused",
                    transaction_id=str(result.transaction_id),
                    reason=result.refusal.name,
                )
