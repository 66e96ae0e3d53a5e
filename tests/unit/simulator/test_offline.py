"""Outages: which till is offline, until when, and in which order its queue arrives."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.simulator.offline import OutagePlan

DAYS = st.dates(min_value=date(2017, 1, 1), max_value=date(2017, 12, 31))


class TestUploadDate:
    @given(day=DAYS, store=st.integers(1, 35_000), till=st.integers(1, 8), seed=st.integers(0, 99))
    def test_lies_after_the_day_and_within_a_week(
        self, day: date, store: int, till: int, seed: int
    ) -> None:
        """A queue is uploaded on a later day, well before a ticket is too old."""
        plan = OutagePlan(seed=seed, percent=100)

        upload = plan.upload_date(store_id=store, till_id=till, business_date=day)

        assert upload is not None
        assert day < upload <= day + timedelta(days=7)

    def test_is_the_same_for_the_whole_outage(self) -> None:
        """A till has one outage at a time: its tickets of those days come together."""
        plan = OutagePlan(seed=1, percent=100)
        first = date.fromordinal(4 * 184_000)
        days = [first + timedelta(days=n) for n in range(4)]

        uploads = {plan.upload_date(store_id=330, till_id=1, business_date=day) for day in days}

        assert len(uploads) == 1

    def test_takes_about_the_share(self) -> None:
        """Of many tills, about one in five is offline at any time."""
        plan = OutagePlan(seed=2017, percent=20)
        day = date(2017, 6, 1)

        offline = sum(
            plan.upload_date(store_id=store, till_id=till, business_date=day) is not None
            for store in range(500)
            for till in range(8)
        )

        assert 700 < offline < 900

    def test_never_without_outages(self) -> None:
        """With a share of nothing every till is online."""
        plan = OutagePlan(seed=1, percent=0)

        assert plan.upload_date(store_id=1, till_id=1, business_date=date(2017, 1, 1)) is None

    def test_refuses_a_share_that_is_none(self) -> None:
        """A share is a percentage."""
        with pytest.raises(ValueError, match="not between"):
            OutagePlan(seed=1, percent=101)


class TestShuffled:
    @given(items=st.lists(st.integers(), max_size=50), attempt=st.integers(1, 2))
    def test_keeps_every_item(self, items: list[int], attempt: int) -> None:
        """Shuffling loses and doubles nothing."""
        plan = OutagePlan(seed=1, percent=20)

        shuffled = plan.shuffled(items, upload_date=date(2017, 1, 5), attempt=attempt)

        assert sorted(shuffled) == sorted(items)

    def test_differs_between_attempts_and_not_between_replays(self) -> None:
        """The second upload comes in another order; the next replay repeats both."""
        items = list(range(100))
        orders = [
            OutagePlan(seed=1, percent=20).shuffled(
                items, upload_date=date(2017, 1, 5), attempt=attempt
            )
            for attempt in (1, 2, 1)
        ]

        assert orders[0] != items
        assert orders[0] != orders[1]
        assert orders[0] == orders[2]
