"""Who pays by phone: shares, and the same people on every replay."""

from collections import Counter

import pytest

from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.habits import CARDS, Fate, PhonePlan

PLAN = PhonePlan(seed=2017, percent=30, offline_percent=20)


class TestPhonePlan:
    def test_makes_up_for_tills_without_a_network(self) -> None:
        """Where one till in five is offline, 30 % of all baskets are 37.5 % of those that can be paid by phone."""
        phones = sum(PLAN.has_phone(household) for household in range(20_000))

        assert 7_300 < phones < 7_700

    @pytest.mark.parametrize(("percent", "expected"), [(0, 0), (100, 1_000)])
    def test_takes_nobody_or_everybody(self, percent: int, expected: int) -> None:
        """A share of 100 % is everybody whose till is online."""
        plan = PhonePlan(seed=1, percent=percent, offline_percent=20)

        assert sum(plan.has_phone(household) for household in range(1_000)) == expected

    def test_refuses_a_share_that_is_none(self) -> None:
        """A share is a percentage."""
        with pytest.raises(ValueError, match="not between"):
            PhonePlan(seed=1, percent=101, offline_percent=20)

    def test_lets_most_households_use_their_kitty(self) -> None:
        """Some use points instead, some nothing; one in five holds prepaid balance."""
        habits = [PLAN.habit(household) for household in range(10_000)]

        tastes = Counter(habit.loyalty for habit in habits)
        assert 6_800 < tastes[pb.TENDER_KIND_KITTY] < 7_200
        assert 1_300 < tastes[pb.TENDER_KIND_POINTS] < 1_700
        assert 1_800 < sum(habit.holds_prepaid for habit in habits) < 2_200
        assert len({habit.card for habit in habits}) == 2

    def test_has_a_few_of_every_fate(self) -> None:
        """Everything that can happen does, in a demo's thousands of baskets, and most baskets just pay."""
        fates = Counter(PLAN.fate(basket) for basket in range(20_000))

        assert set(fates) == set(Fate)
        assert fates[Fate.PAYS] > 18_000
        assert set(CARDS) < set(Fate)

    def test_brings_few_baskets_back_within_a_week(self) -> None:
        """A basket comes back on a later day, or never."""
        days = [PLAN.days_until_return(basket) for basket in range(20_000)]

        back = [day for day in days if day is not None]
        assert 200 < len(back) < 400
        assert set(back) == {1, 2, 3, 4, 5, 6}
