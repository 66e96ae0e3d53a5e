"""Waiting for the books: as long as they move, and not for ever."""

from types import SimpleNamespace
from typing import Any

from rich.console import Console
from rich.progress import Progress as Bars

from cagnotte.common.v1 import money_pb2
from cagnotte.ledger.v1 import ledger_pb2, ledger_service_pb2
from cagnotte.points.v1 import points_service_pb2
from services.simulator.calls import Identity, Patience
from services.simulator.catching_up import Waiting, wait_for_books
from services.simulator.progress import Progress

HURRIED = Waiting(poll_seconds=0.0, stalled_seconds=0.0)


class ServicesDouble:
    """Points that issued 9 points, and a ledger that books one step at each look."""

    def __init__(self, *steps: tuple[int, int]) -> None:
        self._steps = list(steps)
        self.looks = 0

    async def GetLoyaltyTotals(  # noqa: N802 -- the RPC's name
        self, *_: Any, **__: Any
    ) -> points_service_pb2.GetLoyaltyTotalsResponse:
        """Answer the totals."""
        total = points_service_pb2.LoyaltyTotal(
            currency=money_pb2.LOYALTY_CURRENCY_POINTS, issued=9, outstanding=9
        )
        return points_service_pb2.GetLoyaltyTotalsResponse(totals=[total])

    async def GetJournalTotals(  # noqa: N802 -- the RPC's name
        self, *_: Any, **__: Any
    ) -> ledger_service_pb2.GetJournalTotalsResponse:
        """Answer the journal's counters."""
        self.looks += 1
        return ledger_service_pb2.GetJournalTotalsResponse(transactions=self._step())

    async def GetTrialBalance(  # noqa: N802 -- the RPC's name
        self, *_: Any, **__: Any
    ) -> ledger_service_pb2.GetTrialBalanceResponse:
        """Answer the trial balance: net sales at 5.5 %, and points."""
        sales, points = self._steps[self._step()]
        lines = [
            ledger_pb2.TrialBalanceLine(
                gl_code=code, basis=ledger_pb2.BASIS_COMMON, debit=debit, credit=credit
            )
            for code, debit, credit in (
                ("707100", 0, sales),
                ("809110", points, 0),
                ("801100", 0, points),
            )
        ]
        return ledger_service_pb2.GetTrialBalanceResponse(lines=lines)

    def _step(self) -> int:
        return min(self.looks, len(self._steps)) - 1


def stack_of(double: ServicesDouble) -> Any:
    """Make both services the double."""
    return SimpleNamespace(
        points=double,
        ledger=double,
        operator=Identity("token", patience=Patience()),
        phones=None,
    )


def progress() -> Progress:
    """Make progress that nobody sees."""
    return Progress(Bars(console=Console(quiet=True)))


class TestWaitForBooks:
    async def test_waits_for_the_last_cent_and_the_last_point(self) -> None:
        """Sales without their points are not all of it yet."""
        double = ServicesDouble((0, 0), (500, 0), (1_000, 0), (1_000, 9))

        standing = await wait_for_books(
            stack_of(double), progress(), sales_minor=1_000, waiting=HURRIED
        )

        assert double.looks == 4
        assert standing.books.sales_minor == 1_000
        assert standing.books.points == standing.points.points

    async def test_waits_for_every_transaction(self) -> None:
        """Money that moved without a sale, such as a top-up, is waited for by its transaction."""
        double = ServicesDouble((1_000, 9), (1_000, 9), (1_000, 9))

        await wait_for_books(
            stack_of(double),
            progress(),
            sales_minor=None,
            transactions_min=lambda _: 2,
            waiting=Waiting(poll_seconds=0.0),
        )

        assert double.looks == 3

    async def test_gives_books_that_stand_still_as_they_are(self) -> None:
        """What is missing for good is a difference to report, not a reason to wait."""
        double = ServicesDouble((0, 0), (500, 3))

        standing = await wait_for_books(
            stack_of(double), progress(), sales_minor=1_000, waiting=HURRIED
        )

        assert standing.books.sales_minor == 500
