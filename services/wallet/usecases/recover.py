"""Find payments that nobody drives, at the start and ever again, and drive them on.

One process at a time looks, by a lease. What it finds may just be driven by another process,
so it waits until a payment has not moved for a while; at its own start it does not wait, for
then it is most likely its own past that it finds. Driving twice does no harm: every call
repeats under the same id.
"""

import asyncio
from time import monotonic
from typing import Final, NamedTuple, NoReturn
from uuid import UUID

import structlog
from prometheus_client import Counter

from services.common.runtime.database import Connection, Database, is_infrastructure_failure
from services.wallet.domain.batch import Batch
from services.wallet.store.payments import in_flight_payments
from services.wallet.store.shelf import Shelf
from services.wallet.usecases.drive import Driver

RECOVERED: Final = Counter(
    "cagnotte_wallet_recovered_payments", "Payments that were found with nobody to drive them."
)

UNMOVED_SECONDS: Final = 5.0
"""How long a payment of which this process knows nothing may rest before it is taken over."""

_PAGE: Final = 500
_NIL: Final = UUID(int=0)

log = structlog.get_logger(__name__)


class _Seen(NamedTuple):
    version: int
    since_seconds: float


class Recovery:
    """Takes over what is in flight and driven by nobody. Run ``run()`` as a loop of the process."""

    def __init__(
        self, db: Database, shelf: Shelf, driver: Driver, *, shard_id: int, idle_seconds: float
    ) -> None:
        """Take its parts; ``idle_seconds`` is the time between two looks."""
        self._db = db
        self._shelf = shelf
        self._driver = driver
        self._shard_id = shard_id
        self._idle_seconds = idle_seconds
        self._seen: dict[UUID, _Seen] = {}

    async def run(self) -> NoReturn:
        """Look for ever; a database that is away is waited for."""
        while True:
            try:
                async with self._db.lease(f"wallet/recovery/{self._shard_id}") as conn:
                    await self.look(conn, unmoved_seconds=0.0)
                    while True:
                        await asyncio.sleep(self._idle_seconds)
                        await self.look(conn, unmoved_seconds=UNMOVED_SECONDS)
            except Exception as error:
                if not is_infrastructure_failure(error):
                    raise
                log.warning("wallet.recovery_interrupted", error=repr(error))
            await asyncio.sleep(self._idle_seconds)

    async def look(self, conn: Connection, *, unmoved_seconds: float) -> int:
        """Look once, page by page, and give how many payments were taken over."""
        seen: dict[UUID, _Seen] = {}
        after, taken, now = _NIL, 0, monotonic()
        while True:
            page = await in_flight_payments(conn, after=after, limit=_PAGE, shard_id=self._shard_id)
            for payment_id, version in page:
                known = self._seen.get(payment_id)
                unmoved = known is not None and known.version == version
                seen[payment_id] = known if known and unmoved else _Seen(version, now)
            due = [
                payment_id
                for payment_id, _ in page
                if not self._driver.is_driving(payment_id)
                and now - seen[payment_id].since_seconds >= unmoved_seconds
            ]
            taken += await self._take_over(conn, due[: self._driver.room])
            if len(page) < _PAGE:
                break
            after = page[-1][0]
        self._seen = seen
        return taken

    async def _take_over(self, conn: Connection, payment_ids: list[UUID]) -> int:
        if not payment_ids:
            return 0
        batch = Batch()
        await self._shelf.load(conn, batch, payment_ids)
        for payment in batch.payments.values():
            self._driver.drive(payment, found=True)
        RECOVERED.inc(len(payment_ids))
        log.info("wallet.payments_taken_over", payments=len(payment_ids))
        return len(payment_ids)
