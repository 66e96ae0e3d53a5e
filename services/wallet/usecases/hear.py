"""Hear of events of the provider: write each down, once, and have its payment looked at."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Final, Protocol, TypeAlias
from uuid import UUID

import structlog

from services.common.kernel.clock import system_clock
from services.common.runtime.database import Connection, Database
from services.common.runtime.group_commit import GroupCommit
from services.wallet.clients.provider import ProviderEvent
from services.wallet.store.payments import find_reference
from services.wallet.store.provider_events import EventRow, accept_events

_GATHER_SECONDS: Final = 0.05
_TOGETHER_MAX: Final = 500
_WAITING_MAX: Final = 5_000

Ears: TypeAlias = GroupCommit[ProviderEvent, None]
"""Takes events in one by one, and has them heard together; an event was heard when its turn is answered."""

HearAll: TypeAlias = Callable[[Sequence[ProviderEvent]], Awaitable[None]]
"""See ``Hear``."""

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


def ears(hear: HearAll) -> Ears:
    """Make what hears events together that come one by one; run it as a loop of the process.

    Webhooks come by themselves, and writing one down costs hardly less than writing down many. The first one after a
    rest is heard at once; those that come within the next moment wait for its end.
    """
    heard_seconds = 0.0

    async def hear_together(events: Sequence[ProviderEvent]) -> Sequence[None]:
        nonlocal heard_seconds
        await asyncio.sleep(max(0.0, heard_seconds + _GATHER_SECONDS - monotonic()))
        heard_seconds = monotonic()
        await hear(events)
        return [None] * len(events)

    return GroupCommit(
        hear_together, batch_max=_TOGETHER_MAX, queue_max=_WAITING_MAX, name="provider_events"
    )


def _row(event: ProviderEvent) -> EventRow:
    return EventRow(
        event.provider_event_id, event.event_type, event.object_reference, event.create_time
    )
