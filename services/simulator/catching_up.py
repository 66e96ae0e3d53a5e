"""Waiting until the ledger has booked what the points service has recorded."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Final

from services.simulator.books import Books, PointsTotals, Standing, read_books, read_points_totals
from services.simulator.errors import BooksBehindError
from services.simulator.phone_books import read_phone_standing
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
    stack: Stack,
    progress: Progress,
    *,
    sales_minor: int | None,
    transactions_min: Callable[[PointsTotals], int] = lambda _: 0,
    waiting: Waiting = PATIENTLY,
) -> Standing:
    """Wait until the books hold all loyalty facts, the sales (None: any), and so many transactions.

    Books that stand still before that are given as they are: the report then shows what differs.
    Raises BooksBehindError when they still move at the bound.
    """
    points = await read_points_totals(stack)
    wanted = _Wanted(points, sales_minor, transactions_min(points))
    shown = False
    began = moved = monotonic()
    transactions = -1
    while True:
        books = await read_books(stack)
        if wanted.is_in(books):
            return Standing(points, books, await read_phone_standing(stack))
        if not shown:
            progress.begin("books", total=sales_minor or 0)
            shown = True
        progress.reach(books.sales_minor)
        progress.show("cents booked")
        now = monotonic()
        if books.transactions != transactions:
            transactions, moved = books.transactions, now
        elif now - moved > waiting.stalled_seconds:
            return Standing(points, books, await read_phone_standing(stack))
        if now - began > waiting.seconds_max:
            raise BooksBehindError(
                f"After {waiting.seconds_max:.0f} s the ledger has booked {books.sales_minor} "
                f"cents of {sales_minor or 0}; `cagnotte status` tells whether it is healthy."
            )
        await asyncio.sleep(waiting.poll_seconds)


@dataclass(frozen=True, slots=True)
class _Wanted:
    points: PointsTotals
    sales_minor: int | None
    transactions_min: int

    def is_in(self, books: Books) -> bool:
        return (
            self.sales_minor in {None, books.sales_minor}
            and books.transactions >= self.transactions_min
            and books.points == self.points.points.as_booked()
            and books.kitty == self.points.kitty.as_booked()
        )
