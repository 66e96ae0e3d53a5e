"""Hear of an event of the provider: write it down, once, and have its payment looked at."""

import structlog

from services.common.kernel.clock import system_clock
from services.common.runtime.database import Database
from services.wallet.clients.provider import ProviderEvent
from services.wallet.store.payments import find_reference
from services.wallet.store.provider_events import accept_event
from services.wallet.usecases.drive import Driver

log = structlog.get_logger(__name__)


class Hear:
    """Takes events in, from webhooks and from the provider's list alike."""

    def __init__(self, db: Database, driver: Driver, *, shard_id: int) -> None:
        """Take where events are kept, and who looks at payments."""
        self._db = db
        self._driver = driver
        self._shard_id = shard_id

    async def __call__(self, event: ProviderEvent) -> None:
        """Hear an event. It proves nothing: whoever drives the payment asks again now, and not later."""
        async with self._db.transaction() as conn:
            new = await accept_event(
                conn,
                event.provider_event_id,
                event_type=event.event_type,
                object_reference=event.object_reference,
                create_time=event.create_time,
                receive_time=system_clock(),
                shard_id=self._shard_id,
            )
            payment_id = event.payment_id
            if new and payment_id is None and event.object_reference:
                payment_id = await find_reference(
                    conn, event.object_reference, shard_id=self._shard_id
                )
        nudged = new and payment_id is not None and self._driver.nudge(payment_id)
        log.info(
            "wallet.provider_event_heard",
            provider_event_id=event.provider_event_id,
            event_type=event.event_type,
            new=new,
            nudged=nudged,
        )
