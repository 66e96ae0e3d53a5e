"""Pairing two sorted streams."""

from collections.abc import AsyncIterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from services.auditor.merge import gather, merge

Row = tuple[int, str]


async def stream(rows: Sequence[Row]) -> AsyncIterator[Row]:
    """Give rows as a database would."""
    for row in rows:
        yield row


class TestMerge:
    """Nothing is lost, and only equal keys meet."""

    async def test_pairs_equal_keys_and_keeps_the_lonely_ones(self) -> None:
        """A key that one side lacks comes with None for it."""
        left, right = [(1, "a"), (3, "c")], [(2, "x"), (3, "y"), (4, "z")]

        pairs = [pair async for pair in merge(stream(left), stream(right))]

        assert pairs == [(1, "a", None), (2, None, "x"), (3, "c", "y"), (4, None, "z")]

    async def test_leaves_the_surplus_of_a_repeated_key_alone(self) -> None:
        """A duplicate on one side shows as a row without a partner."""
        left, right = [(1, "a"), (1, "again")], [(1, "x")]

        pairs = [pair async for pair in merge(stream(left), stream(right))]

        assert pairs == [(1, "a", "x"), (1, "again", None)]

    @given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
    async def test_keeps_every_row_of_both_sides_in_order(
        self, left: list[int], right: list[int]
    ) -> None:
        """Whatever the keys, each side comes out as it went in."""
        lhs = [(key, f"l{place}") for place, key in enumerate(sorted(left))]
        rhs = [(key, f"r{place}") for place, key in enumerate(sorted(right))]

        pairs = [pair async for pair in merge(stream(lhs), stream(rhs))]

        assert [(key, row) for key, row, _ in pairs if row is not None] == lhs
        assert [(key, row) for key, _, row in pairs if row is not None] == rhs
        assert [key for key, _, _ in pairs] == sorted(key for key, _, _ in pairs)


class TestGather:
    """Every key once, with all its rows."""

    async def test_gives_the_rows_of_each_stream_for_each_key(self) -> None:
        """A stream without the key gives none, and repeated keys stay together."""
        streams = [
            stream([(1, "a"), (1, "b"), (4, "c")]),
            stream([(2, "x"), (4, "y")]),
            stream([]),
        ]

        groups = [group async for group in gather(streams)]

        assert groups == [
            (1, [["a", "b"], [], []]),
            (2, [[], ["x"], []]),
            (4, [["c"], ["y"], []]),
        ]
