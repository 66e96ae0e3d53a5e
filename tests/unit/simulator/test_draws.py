"""Draws: the same for every replay, different for every purpose."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.simulator.draws import draw, drawn_id

NOON = datetime(2017, 3, 1, 12, tzinfo=UTC)


class TestDraw:
    def test_repeats_itself_and_nothing_else(self) -> None:
        """Seed, purpose and numbers make the draw; each of them matters."""
        drawn = {draw(1, "a", 1), draw(2, "a", 1), draw(1, "b", 1), draw(1, "a", 2)}

        assert len(drawn) == 4
        assert draw(1, "a", 1) in drawn


class TestDrawnId:
    @given(number=st.integers(0, 2**40))
    def test_is_an_ordinary_uuid7_of_its_time(self, number: int) -> None:
        """Services take it for an id that was made when the basket was paid."""
        drawn = drawn_id(1, "checkout", number, at=NOON)

        assert drawn.version == 7
        assert drawn.variant == UUID(int=2 << 62).variant
        assert drawn.int >> 80 == int(NOON.timestamp() * 1_000)
        assert drawn == drawn_id(1, "checkout", number, at=NOON)

    def test_differs_by_purpose(self) -> None:
        """A checkout and its refund never share an id."""
        ids = {
            drawn_id(1, purpose, number, at=NOON)
            for purpose in ("checkout", "refund")
            for number in range(1_000)
        }

        assert len(ids) == 2_000
