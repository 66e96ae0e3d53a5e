"""Business days and the simulated clock."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.common.kernel.clock import (
    ClockMovedBackwards,
    SimulatedClock,
    business_date,
    end_of_business_day,
    first_instant_of_month,
    start_of_business_day,
)

NOON = datetime(2017, 6, 1, 12, tzinfo=UTC)


class TestBusinessDays:
    """Calendar days of Europe/Paris."""

    @pytest.mark.parametrize(
        ("day", "hours"),
        [(date(2017, 3, 26), 23), (date(2017, 10, 29), 25), (date(2017, 6, 1), 24)],
    )
    def test_last_as_long_as_in_paris(self, day: date, hours: int) -> None:
        """Days on which summer time begins or ends are shorter or longer."""
        start, following = (
            start_of_business_day(day),
            start_of_business_day(day + timedelta(days=1)),
        )

        assert following - start == timedelta(hours=hours)
        assert business_date(start) == day
        assert business_date(end_of_business_day(day)) == day
        assert end_of_business_day(day) + timedelta(microseconds=1) == following

    def test_six_months_end_where_the_seventh_begins(self) -> None:
        """Points of January are usable until the end of July, Paris time."""
        expiry = first_instant_of_month(date(2017, 1, 31), months_later=7)

        assert expiry == datetime(2017, 7, 31, 22, tzinfo=UTC)

    def test_months_roll_over_the_year(self) -> None:
        """December and four months is April."""
        assert first_instant_of_month(date(2017, 12, 5), months_later=4) == datetime(
            2018, 3, 31, 22, tzinfo=UTC
        )


class TestSimulatedClock:
    """Business time that an operator moves."""

    def test_stands_still_until_it_is_moved(self) -> None:
        """It moves forwards, and the same instant again is fine."""
        clock = SimulatedClock(NOON)
        clock.move_to(NOON)
        clock.move_to(NOON + timedelta(days=1))

        assert clock() == NOON + timedelta(days=1)

    def test_never_goes_back(self) -> None:
        """An earlier instant is refused and changes nothing."""
        clock = SimulatedClock(NOON)

        with pytest.raises(ClockMovedBackwards):
            clock.move_to(NOON - timedelta(microseconds=1))

        assert clock() == NOON
