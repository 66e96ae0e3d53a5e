"""Poll the provider's list of events: what a webhook should have told and did not is heard all the same."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NoReturn

import structlog

from services.common.kernel.errors import DomainError
from services.common.runtime.database import Connection, Database, is_infrastructure_failure
from services.wallet.clients.provider import Provider, ProviderEvent
from services.wallet.store.provider_events import read_cursor, save_cursor

_LEASE: Final = "wallet.poll_provider"
_PAGES_MAX: Final = 100
"""Pages that one look reads; the next look goes on."""

Hear = Callable[[Sequence[ProviderEvent]], Awaitable[None]]
"""Writes events down, each once, and has their payments looked at."""

log = structlog.get_logger(__name__)


class PollProvider:
    """Reads the list on from where it stopped; the cursor moves past an event once it was heard.

    Webhooks do not move the cursor: one of a late event would jump over those that are lost.
    """

    def __init__(
        self,
        db: Database,
        provider: Provider,
        hear: Hear,
        *,
        shard_id: int,
        idle_seconds: float,
    ) -> None:
        """Take whom to ask, who hears, and the time between two looks at a quiet list."""
        self._db = db
        self._provider = provider
        self._hear = hear
        self._shard_id = shard_id
        self._idle_seconds = idle_seconds

    async def run(self) -> NoReturn:
        """Poll for ever, in one process of the shard at a time."""
        while True:
            try:
                async with self._db.lease(f"{_LEASE}.{self._shard_id}") as conn:
                    while True:
                        await self.poll(conn)
                        await asyncio.sleep(self._idle_seconds)
            except Exception as error:
                if not isinstance(error, DomainError) and not is_infrastructure_failure(error):
                    raise
                log.warning("wallet.poll_failed", exc_info=error)
            await asyncio.sleep(self._idle_seconds)

    async def poll(self, conn: Connection) -> int:
        """Hear what is new, and count it; the cursor is kept on ``conn``.

        Raises:
            ProviderUnavailable: the provider did not answer; what was heard until then counts.
        """
        heard = 0
        cursor = await read_cursor(conn, shard_id=self._shard_id)
        for _ in range(_PAGES_MAX):
            events = await self._provider.list_events(after=cursor)
            if not events:
                break
            await self._hear(events)
            heard += len(events)
            cursor = events[-1].provider_event_id
            await save_cursor(conn, provider_event_id=cursor, shard_id=self._shard_id)
        return heard
