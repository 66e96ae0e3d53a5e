"""Who is killed when."""

from itertools import pairwise

import pytest

from services.chaos.plan import PARTS, PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN, plan_kills


class TestPlanKills:
    def test_is_decided_by_the_seed(self) -> None:
        """The same seed makes the same experiment, another one another."""
        assert plan_kills(rounds=30, seed=7) == plan_kills(rounds=30, seed=7)
        assert plan_kills(rounds=30, seed=7) != plan_kills(rounds=30, seed=8)

    def test_of_more_rounds_begins_alike(self) -> None:
        """A longer experiment is the shorter one and more."""
        assert plan_kills(rounds=40, seed=7)[:12] == plan_kills(rounds=12, seed=7)

    @pytest.mark.parametrize("seed", range(20))
    def test_leaves_no_part_out(self, seed: int) -> None:
        """In as many rounds as there are parts, each part dies."""
        kills = plan_kills(rounds=len(PARTS), seed=seed)

        assert {kill.parts[0] for kill in kills} == set(PARTS)

    def test_kills_two_at_once_now_and_then(self) -> None:
        """Each fourth round takes a second, other part."""
        kills = plan_kills(rounds=40, seed=1)

        pairs = [kill for kill in kills if len(kill.parts) > 1]
        assert [kill.round_number for kill in pairs] == list(range(4, 41, 4))
        assert all(len(set(kill.parts)) == 2 for kill in pairs)

    def test_leaves_time_between(self) -> None:
        """Pauses vary within their bounds; rounds count from one."""
        kills = plan_kills(rounds=40, seed=1)

        assert all(PAUSE_SECONDS_MIN <= kill.pause_seconds <= PAUSE_SECONDS_MAX for kill in kills)
        assert any(one.pause_seconds != other.pause_seconds for one, other in pairwise(kills))
        assert [kill.round_number for kill in kills] == list(range(1, 41))
