"""The past of a filled stack: weeks of business time in which its rows came one after the other."""

import random
from datetime import datetime
from typing import Final
from uuid import UUID

_RANDOM_BITS_HIGH: Final = 12
_RANDOM_BITS_LOW: Final = 62


class History:
    """A clock that goes from one instant to another while ``total`` things are written, and ids of its time.

    It never goes back: not behind ``not_before``, which is what the journal recorded last.
    """

    def __init__(
        self,
        *,
        begin: datetime,
        end: datetime,
        total: int,
        done: int = 0,
        not_before: datetime | None = None,
    ) -> None:
        """Take the span, and how much of it has passed already."""
        self._begin = begin
        self._step = (end - begin) / max(total, 1)
        self._done = done
        self._now = max(begin + self._step * done, not_before or begin)
        self._random = random.Random()  # noqa: S311 -- ids of rows that nobody guards; new ones in every run

    def __call__(self) -> datetime:
        """Give the instant that has been reached."""
        return self._now

    def move(self, done: int = 1) -> datetime:
        """Go on by so many things, and give the instant."""
        self._done += done
        self._now = max(self._now, self._begin + self._step * self._done)
        return self._now

    def new_id(self) -> UUID:
        """Make a UUIDv7 of this instant, as a caller of that time would have."""
        milliseconds = int(self._now.timestamp() * 1000)
        bits = self._random.getrandbits(_RANDOM_BITS_HIGH + _RANDOM_BITS_LOW)
        high, low = bits >> _RANDOM_BITS_LOW, bits & ((1 << _RANDOM_BITS_LOW) - 1)
        return UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low)
