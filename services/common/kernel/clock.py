"""Time as a parameter: aware UTC instants, and business days of Europe/Paris."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

BUSINESS_ZONE: Final = ZoneInfo("Europe/Paris")
"""Where a business day begins and ends."""

RESOLUTION: Final = timedelta(microseconds=1)
"""The finest instant that is kept: PostgreSQL's."""

_MONTHS: Final = 12
_DATES_KEPT: Final = 4_096
"""What is decided about one instant asks for its day again and again, and a zone's rules are slow to apply."""

Clock = Callable[[], datetime]
"""Gives the present instant as an aware UTC ``datetime``."""


class ClockMovedBackwards(Exception):
    """A simulated clock was asked to go back; time only goes forwards."""


class SimulatedClock:
    """Business time that stands still until an operator moves it, forwards only."""

    def __init__(self, start: datetime) -> None:
        """Start at an aware instant."""
        self._now = _as_utc(start)

    def __call__(self) -> datetime:
        """Give the simulated instant."""
        return self._now

    def move_to(self, now: datetime) -> None:
        """Move forwards, or stay; raise ``ClockMovedBackwards`` otherwise."""
        instant = _as_utc(now)
        if instant < self._now:
            raise ClockMovedBackwards
        self._now = instant


def system_clock() -> datetime:
    """Give the machine's present instant in UTC; the clock of production."""
    return datetime.now(UTC)


@lru_cache(maxsize=_DATES_KEPT)
def business_date(instant: datetime) -> date:
    """Give the calendar day of an aware instant in Europe/Paris."""
    assert instant.tzinfo is not None, "an instant without a zone is a bug"
    return instant.astimezone(BUSINESS_ZONE).date()


def start_of_business_day(day: date) -> datetime:
    """Give the first instant of a business day, in UTC."""
    return datetime.combine(day, time.min, BUSINESS_ZONE).astimezone(UTC)


def end_of_business_day(day: date) -> datetime:
    """Give the last instant of a business day, in UTC: 23:59:59.999999 in Paris.

    For what must be stamped inside the day (its closing moves). A period ends at the
    exclusive ``start_of_business_day`` of the day after instead.
    """
    return start_of_business_day(day + timedelta(days=1)) - RESOLUTION


def first_day_of_month(day: date, *, months_later: int) -> date:
    """Give the first day of the day's month, or of one that comes later."""
    year, month0 = divmod(day.year * _MONTHS + day.month - 1 + months_later, _MONTHS)
    return date(year, month0 + 1, 1)


def first_instant_of_month(day: date, *, months_later: int) -> datetime:
    """Give the first instant of the day's month, or of one that comes later, in UTC.

    The exclusive end of "until the end of the sixth month after it" is
    ``first_instant_of_month(day, months_later=7)``.
    """
    return start_of_business_day(first_day_of_month(day, months_later=months_later))


def _as_utc(instant: datetime) -> datetime:
    assert instant.tzinfo is not None, "an instant without a zone is a bug"
    return instant.astimezone(UTC)
