"""Waiting until the ledger has booked what the points service has recorded."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Final

from services.simulator.books import Books, PointsTotals, Standing, read_books, read_points_totals
from services.simulator.errors import BooksBehindError
from services.simulator.progress import Progress
from services.simulator.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How to wait.

    Without one more transaction for ``stalled_seconds``, what is missing will not come; books
    that still move are given up at ``seconds_max``.
    """

    poll_seconds: float = 0.25
    stalled_seconds: float = 30.0
    seconds_max: float = 1_800.0


PATIENTLY: Final = Waiting()


async def wait_for_books(
    stack: Stack, progress: Progress, *, sales_minor: int, waiting: Waiting = PATIENTLY
) -> Standing:
    """Wait until the books hold all loyalty facts and at least the sales; give both standings.

    Books that stand still before that are given as they are: the report then shows what differs.
    Raises BooksBehindError when they still move at the bound.
    """
    points = await read_points_totals(stack)
    shown = False
    began = moved = monotonic()
    transactions = -1
    while True:
        books = await read_books(stack)
        if _caught_up(points, books, sales_minor=sales_minor):
            return Standing(points, books)
        if not shown:
            progress.begin("books", total=sales_minor)
            shown = True
        progress.reach(books.sales_minor)
        progress.show("cents booked")
        now = monotonic()
        if books.transactions != transactions:
            transactions, moved = books.transactions, now
        elif now - moved > waiting.stalled_seconds:
            return Standing(points, books)
        if now - began > waiting.seconds_max:
            raise BooksBehindError(
                f"After {waiting.seconds_max:.0f} s the ledger has booked {books.sales_minor} "
                f"cents of {sales_minor}; `cagnotte status` tells whether it is healthy."
            )
        await asyncio.sleep(waiting.poll_seconds)


def _caught_up(points: PointsTotals, books: Books, *, sales_minor: int) -> bool:
    return (
        books.sales_minor >= sales_minor
        and books.points == points.points
        and books.kitty == points.kitty
    )
