"""Who waits for a payment hears of its changes: at once in this process, soon from another one."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NoReturn
from uuid import UUID

import structlog

from services.common.runtime.database import Database, is_infrastructure_failure
from services.common.runtime.group_commit import Draining
from services.wallet.domain.batch import Batch
from services.wallet.domain.payment import Payment
from services.wallet.store.payments import find_versions
from services.wallet.store.shelf import Shelf

_PAGE: Final = 500

log = structlog.get_logger(__name__)


class Watcher:
    """One who waits for a payment; made by ``WatchHub.watching``."""

    __slots__ = ("_ended", "_latest", "_news", "payment_id")

    def __init__(self, payment_id: UUID) -> None:
        """Watch a payment."""
        self.payment_id = payment_id
        self._latest: Payment | None = None
        self._news = asyncio.Event()
        self._ended = False

    @property
    def version(self) -> int:
        """Give the newest version that is known; 0 before the first one."""
        return 0 if self._latest is None else self._latest.version

    def offer(self, payment: Payment) -> None:
        """Take a state in, unless a newer one is known."""
        if payment.version > self.version:
            self._latest = payment
            self._news.set()

    def end(self) -> None:
        """Send away whoever waits, now or later."""
        self._ended = True
        self._news.set()

    async def newer_than(self, version: int) -> Payment:
        """Wait for a state that is newer; states in between may never be seen.

        Raises:
            Draining: the process is about to end; ask another one.
        """
        while self.version <= version:
            if self._ended:
                raise Draining("The service is stopping.")
            self._news.clear()
            await self._news.wait()
        assert self._latest is not None, "version 0 is newer than nothing"
        return self._latest


class WatchHub:
    """All who wait in this process. Run ``run()`` as a loop, so that other processes are seen."""

    def __init__(self, db: Database, shelf: Shelf, *, shard_id: int, idle_seconds: float) -> None:
        """Take the database and the shelf; ``idle_seconds`` is the time between two looks at it."""
        self._db = db
        self._shelf = shelf
        self._shard_id = shard_id
        self._idle_seconds = idle_seconds
        self._watchers: dict[UUID, set[Watcher]] = {}
        self._closed = False

    @property
    def watched(self) -> int:
        """Give how many payments somebody waits for."""
        return len(self._watchers)

    @contextmanager
    def watching(self, payment_id: UUID) -> Iterator[Watcher]:
        """Watch a payment from now on; whoever then reads it misses nothing.

        Raises:
            Draining: the process is about to end.
        """
        if self._closed:
            raise Draining("The service is stopping.")
        watcher = Watcher(payment_id)
        self._watchers.setdefault(payment_id, set()).add(watcher)
        try:
            yield watcher
        finally:
            left = self._watchers.get(payment_id, set())
            left.discard(watcher)
            if not left:
                self._watchers.pop(payment_id, None)

    def publish(self, payments: Iterable[Payment]) -> None:
        """Tell of committed states; cheap where nobody waits."""
        for payment in payments:
            for watcher in self._watchers.get(payment.payment_id, ()):
                watcher.offer(payment)

    def close(self) -> None:
        """Send everybody away: streams would hold the end of the process up."""
        self._closed = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.end()

    async def run(self) -> NoReturn:
        """Look for what other processes have committed, for ever."""
        while True:
            await asyncio.sleep(self._idle_seconds)
            try:
                await self.look()
            except Exception as error:
                if not is_infrastructure_failure(error):
                    raise
                log.warning("wallet.watch_failed", error=repr(error))

    async def look(self) -> None:
        """Look once: read what is newer than its watchers know."""
        watched = list(self._watchers)
        for start in range(0, len(watched), _PAGE):
            await self.look_at(watched[start : start + _PAGE])

    async def look_at(self, payment_ids: Sequence[UUID]) -> None:
        """Look at some payments."""
        async with self._db.connection() as conn:
            versions = await find_versions(conn, payment_ids, shard_id=self._shard_id)
            stale = [found for found in payment_ids if self._is_stale(found, versions)]
            if stale:
                batch = Batch()
                await self._shelf.load(conn, batch, stale)
                self.publish(batch.payments.values())

    def _is_stale(self, payment_id: UUID, versions: dict[UUID, int]) -> bool:
        version = versions.get(payment_id, 0)
        return any(watcher.version < version for watcher in self._watchers.get(payment_id, ()))
