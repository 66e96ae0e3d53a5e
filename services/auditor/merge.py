"""Comparing two sorted streams row by row, however long they are."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol, Self, TypeVar


class Ordered(Protocol):
    """A key that PostgreSQL and Python sort alike.

    Integers, UUIDs, text under the C collation, and tuples of them.
    """

    def __lt__(self, other: Self, /) -> bool:
        """Tell whether this key comes first."""
        ...


K = TypeVar("K", bound=Ordered)
L = TypeVar("L")
R = TypeVar("R")


async def merge(
    left: AsyncIterator[tuple[K, L]], right: AsyncIterator[tuple[K, R]]
) -> AsyncIterator[tuple[K, L | None, R | None]]:
    """Pair two streams sorted by key, keeping the keys that only one of them has.

    Several rows of one key pair up in order; the surplus stands alone, which is how a duplicate
    shows.
    """
    lhs, rhs = await anext(left, None), await anext(right, None)
    while lhs is not None or rhs is not None:
        if rhs is None or (lhs is not None and lhs[0] < rhs[0]):
            assert lhs is not None, "one side has a row"
            yield lhs[0], lhs[1], None
            lhs = await anext(left, None)
        elif lhs is None or rhs[0] < lhs[0]:
            yield rhs[0], None, rhs[1]
            rhs = await anext(right, None)
        else:
            yield lhs[0], lhs[1], rhs[1]
            lhs, rhs = await anext(left, None), await anext(right, None)


async def gather(
    streams: Sequence[AsyncIterator[tuple[K, R]]],
) -> AsyncIterator[tuple[K, list[list[R]]]]:
    """Walk several streams sorted by key together: for each key, the rows of each stream.

    Only the rows of one key are in memory. A key that one stream lacks comes with no rows of it.
    """
    heads = [await anext(stream, None) for stream in streams]
    while pending := [head for head in heads if head is not None]:
        key = pending[0][0]
        for head in pending[1:]:
            key = min(key, head[0])
        rows: list[list[R]] = []
        for place, stream in enumerate(streams):
            own: list[R] = []
            while (ahead := heads[place]) is not None and ahead[0] == key:
                own.append(ahead[1])
                heads[place] = await anext(stream, None)
            rows.append(own)
        yield key, rows
