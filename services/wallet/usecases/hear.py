"""Hear of events of the provider: write each down, once, and have its payment looked at."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import structlog

from services.common.kernel.clock import system_clock
from services.common.runtime.database import Connection, Database
from services.wallet.clients.provider import ProviderEvent
from services.wallet.store.payments import find_reference
from services.wallet.store.provider_events import EventRow, accept_events

log = structlog.get_logger(__name__)


class Nudged(Protocol):
    """Who drives payments."""

    def nudge(self, payment_id: UUID) -> bool:
        """Have a payment looked at now; tell whether it is driven here."""


class Hear:
    """Takes events in, from webhooks and from the provider's list alike."""

    def __init__(self, db: Database, driver: Nudged, *, shard_id: int) -> None:
        """Take where events are kept, and who looks at payments."""
        self._db = db
        self._driver = driver
        self._shard_id = shard_id

    async def __call__(self, events: Sequence[ProviderEvent]) -> None:
        """Hear events. They prove nothing: who drives a payment asks again now, and not later."""
        by_id = {event.provider_event_id: event for event in events}
        if not by_id:
            return
        async with self._db.connection() as conn:
            new_ids = await accept_events(
                conn,
                [_row(event) for event in by_id.values()],
                receive_time=system_clock(),
                shard_id=self._shard_id,
            )
            for provider_event_id, event in by_id.items():
                if provider_event_id in new_ids:
                    await self._follow(conn, event)

    async def _follow(self, conn: Connection, event: ProviderEvent) -> None:
        payment_id = event.payment_id
        if payment_id is None and event.object_reference:
            payment_id = await find_reference(conn, event.object_reference, shard_id=self._shard_id)
        nudged = payment_id is not None and self._driver.nudge(payment_id)
        # Nearly all of them tell what is known already: the log keeps those that moved something.
        write = log.info if nudged else log.debug
        write(
            "wallet.provider_event_heard",
            provider_event_id=event.provider_event_id,
            event_type=event.event_type,
            payment_id=None if payment_id is None else str(payment_id),
        )


def _row(event: ProviderEvent) -> EventRow:
    return EventRow(
        event.provider_event_id, event.event_type, event.object_reference, event.create_time
    )
