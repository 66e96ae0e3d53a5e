"""Waiting until the ledger has booked what the points service has recorded."""

import asyncio
from time import monotonic
from typing import Final

from services.simulator.books import Books, PointsTotals, Standing, read_books, read_points_totals
from services.simulator.errors import BooksBehindError
from services.simulator.progress import Progress
from services.simulator.stack import Stack

_POLL_SECONDS: Final = 0.25
_STALLED_SECONDS: Final = 30.0
"""Without one more transaction for so long, what is missing will not come by waiting."""

_BOUND_SECONDS: Final = 1_800.0


async def wait_for_books(stack: Stack, progress: Progress, *, sales_minor: int) -> Standing:
    """Wait until the books hold all loyalty facts and at least the sales; give both standings.

    Books that stand still before that are given as they are: the report then shows what differs.
    Raises BooksBehindError when they still move at the bound.
    """
    points = await read_points_totals(stack)
    progress.begin("books", total=max(sales_minor, 1))
    began = moved = monotonic()
    transactions = -1
    while True:
        books = await read_books(stack)
        progress.reach(books.sales_minor)
        progress.show("cents booked by the ledger")
        if _caught_up(points, books, sales_minor=sales_minor):
            return Standing(points, books)
        now = monotonic()
        if books.transactions != transactions:
            transactions, moved = books.transactions, now
        elif now - moved > _STALLED_SECONDS:
            return Standing(points, books)
        if now - began > _BOUND_SECONDS:
            raise BooksBehindError(
                f"After {_BOUND_SECONDS:.0f} s the ledger has booked {books.sales_minor} cents "
                f"of {sales_minor}; `cagnotte status` tells whether it is healthy."
            )
        await asyncio.sleep(_POLL_SECONDS)


def _caught_up(points: PointsTotals, books: Books, *, sales_minor: int) -> bool:
    return (
        books.sales_minor >= sales_minor
        and books.points == points.points
        and books.kitty == points.kitty
    )
