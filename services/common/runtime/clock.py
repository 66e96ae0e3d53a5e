"""The service's clock: the machine's, or a simulated one that survives a restart.

A simulated clock stands still between calls of ``ClockService/SetTime`` and only goes
forwards. Its time is kept in the service's own database. Deadlines, timeouts, tokens and
metrics never use it: they belong to the machine.
"""

import asyncio
from datetime import datetime
from typing import Final

import structlog

from services.common.kernel.clock import SimulatedClock, system_clock
from services.common.kernel.errors import FailedPrecondition
from services.common.runtime.config import ClockKind, ServiceSettings
from services.common.runtime.database import Database, load_queries

QUERIES: Final = load_queries("services.common.runtime", "clock.sql")

log = structlog.get_logger(__name__)


class ClockBackwards(FailedPrecondition):
    """A simulated clock only goes forwards."""

    reason = "CLOCK_BACKWARDS"


class ClockNotSimulated(FailedPrecondition):
    """The clock is the machine's and cannot be set."""

    reason = "CLOCK_NOT_SIMULATED"


class ServiceClock:
    """Gives the business time; a callable ``services.common.kernel.clock.Clock``.

    Make it with ``open_clock``.
    """

    def __init__(
        self, *, simulated: SimulatedClock | None = None, db: Database | None = None
    ) -> None:
        """Take a simulated clock and where its time is kept, or nothing for the machine's."""
        assert (simulated is None) == (db is None), "a simulated time is kept somewhere"
        self._simulated = simulated
        self._db = db
        self._setting = asyncio.Lock()

    def __call__(self) -> datetime:
        """Give the present business time in UTC."""
        return system_clock() if self._simulated is None else self._simulated()

    @property
    def simulated(self) -> bool:
        """Tell whether this clock can be set."""
        return self._simulated is not None

    async def set_time(self, business_time: datetime) -> datetime:
        """Keep the new time, then show it; give the time after the move.

        Raises:
            ClockNotSimulated: this is the machine's clock.
            ClockBackwards: the new time is before the present one.
        """
        if self._simulated is None or self._db is None:
            raise ClockNotSimulated("This clock is the machine's and cannot be set.")
        async with self._setting:
            if business_time < self._simulated():
                raise ClockBackwards(
                    "A simulated clock only goes forwards.",
                    business_time=_text_of(self._simulated()),
                )
            self._simulated.move_to(await _save(self._db, business_time))
            log.info("clock.time_set", business_time=_text_of(self._simulated()))
            return self._simulated()


async def open_clock(settings: ServiceSettings, db: Database) -> ServiceClock:
    """Make the clock that the settings ask for; a simulated one goes on where it stood."""
    if settings.clock is ClockKind.SYSTEM:
        return ServiceClock()
    assert settings.development, "the settings refuse a simulated clock in production"
    async with db.connection() as conn:
        kept: datetime | None = await conn.fetchval(QUERIES["load_simulated_time"])
    start = settings.clock_start_time if kept is None else kept
    return ServiceClock(simulated=SimulatedClock(start), db=db)


async def _save(db: Database, business_time: datetime) -> datetime:
    async with db.transaction() as conn:
        kept: datetime = await conn.fetchval(QUERIES["save_simulated_time"], business_time)
        return kept


def _text_of(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
