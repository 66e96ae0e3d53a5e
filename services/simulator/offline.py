"""Which tills have lost their network, and when each of them can upload what it queued.

An outage takes one till for four business days and ends one to three days later. Which outages
happen is a pure function of a seed, so a second replay has the same ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeVar

from services.simulator.draws import PERCENT, draw

_OUTAGE_DAYS: Final = 4
_UPLOAD_DELAY_DAYS_MAX: Final = 3

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class OutagePlan:
    """The outages of a replay: ``percent`` of all tills in any period of four days."""

    seed: int
    percent: int

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 0 <= self.percent <= PERCENT:
            raise ValueError(f"A share of {self.percent} % is not between 0 and 100.")

    def upload_date(self, *, store_id: int, till_id: int, business_date: date) -> date | None:
        """Give the day on which the till uploads that day's tickets; None when it is online."""
        period = business_date.toordinal() // _OUTAGE_DAYS
        draw = self._draw("outage", store_id, till_id, period)
        if draw % PERCENT >= self.percent:
            return None
        first_day_after = date.fromordinal((period + 1) * _OUTAGE_DAYS)
        return first_day_after + timedelta(days=draw // PERCENT % _UPLOAD_DELAY_DAYS_MAX)

    def shuffled(self, items: Sequence[T], *, upload_date: date, attempt: int) -> list[T]:
        """Give the items in another order, the same on every replay."""
        order = sorted(
            range(len(items)),
            key=lambda index: self._draw("order", upload_date.toordinal(), attempt, index),
        )
        return [items[index] for index in order]

    def _draw(self, purpose: str, *numbers: int) -> int:
        return draw(self.seed, purpose, *numbers)
