"""What the services say about themselves in the end, through their public API alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from cagnotte.common.v1 import money_pb2
from cagnotte.ledger.v1 import ledger_pb2, ledger_service_pb2
from cagnotte.points.v1 import points_service_pb2
from services.simulator.phone_books import NO_PHONES, PhoneStanding
from services.simulator.stack import Stack

VAT_ACCOUNTS: Final[Mapping[str, int]] = MappingProxyType(
    {"445711": 550, "445712": 2_000, "445713": 1_000, "445714": 210}
)
"""VAT collected, GL account to rate in basis points, as in the chart of accounts."""

_SALES_PREFIX: Final = "707"
_COUPON_ACCOUNT: Final = "467200"
_REDUCTION_ACCOUNT: Final = "709700"
_PREPAID_ACCOUNT: Final = "467100"
_BOOKED_FACTS: Final = ("VALUE_EARNED", "VALUE_SPENT", "VALUE_EXPIRED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loyalty:
    """One loyalty currency over all members; points, or cents of the kitty.

    ``spent`` leaves out what came back with a return; ``reversed`` is what returned tickets had earned and lost again:
    issued - reversed - spent - expired = outstanding.
    """

    issued: int
    spent: int
    expired: int
    outstanding: int
    reversed: int = 0

    def as_booked(self) -> "Loyalty":
        """Give the figures as the ledger has them: there, what is reversed was never issued."""
        return replace(self, issued=self.issued - self.reversed, reversed=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class PointsTotals:
    """What the points service has: by currency, and how many of its facts the ledger books.

    ``booked_facts`` leaves out the tickets, of which only those that sold something are booked, and the reversals, of
    which only those that moved something are.
    """

    points: Loyalty
    kitty: Loyalty
    tickets: int
    booked_facts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """What the ledger has; amounts in cents, sales with VAT, VAT by rate in basis points.

    ``sales_minor`` is what goods cost before kitty and points reduced their price, without what was brought back;
    ``vat_minor`` is on the price that was left.
    """

    sales_minor: int
    vat_minor: Mapping[int, int]
    coupon_minor: int
    transactions: int
    postings: int
    points: Loyalty
    kitty: Loyalty
    prepaid_minor: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """All services' figures at one moment."""

    points: PointsTotals
    books: Books
    phones: PhoneStanding = NO_PHONES


async def read_points_totals(stack: Stack) -> PointsTotals:
    """Ask the points service for its totals."""
    response = await stack.operator.call(
        stack.points.GetLoyaltyTotals, points_service_pb2.GetLoyaltyTotalsRequest()
    )
    by_currency = {
        total.currency: Loyalty(
            issued=total.issued,
            spent=total.spent - total.restored,
            expired=total.expired,
            outstanding=total.outstanding,
            reversed=total.reversed,
        )
        for total in response.totals
    }
    none = Loyalty(issued=0, spent=0, expired=0, outstanding=0)
    counts = {fact.event_type: fact.count for fact in response.fact_counts}
    return PointsTotals(
        points=by_currency.get(money_pb2.LOYALTY_CURRENCY_POINTS, none),
        kitty=by_currency.get(money_pb2.LOYALTY_CURRENCY_KITTY, none),
        tickets=response.ticket_count,
        booked_facts=sum(counts.get(name, 0) for name in _BOOKED_FACTS),
    )


async def read_books(stack: Stack) -> Books:
    """Ask the ledger for its trial balance and the counters of its journal."""
    journal = await stack.operator.call(
        stack.ledger.GetJournalTotals, ledger_service_pb2.GetJournalTotalsRequest()
    )
    trial = await stack.operator.call(
        stack.ledger.GetTrialBalance, ledger_service_pb2.GetTrialBalanceRequest()
    )
    balances = _balances(trial)
    vat = {rate: balances.get(code, 0) for code, rate in VAT_ACCOUNTS.items()}
    net = sum(amount for code, amount in balances.items() if code.startswith(_SALES_PREFIX))
    points, kitty = _loyalty(balances, "8011", "8091"), _loyalty(balances, "8012", "8092")
    # A reduction of the price is booked less its VAT; a point pays a cent, as a cent of the kitty does.
    relief = points.spent + kitty.spent + balances.get(_REDUCTION_ACCOUNT, 0)
    return Books(
        sales_minor=net + sum(vat.values()) + relief,
        vat_minor={rate: amount for rate, amount in sorted(vat.items()) if amount},
        coupon_minor=-balances.get(_COUPON_ACCOUNT, 0),
        transactions=journal.transactions,
        postings=journal.postings,
        points=points,
        kitty=kitty,
        prepaid_minor=balances.get(_PREPAID_ACCOUNT, 0),
    )


def _balances(trial: ledger_service_pb2.GetTrialBalanceResponse) -> dict[str, int]:
    # The IFRS layer restates sales; the books that VAT and tills agree with are the common ones.
    balances: dict[str, int] = {}
    for line in trial.lines:
        if line.basis == ledger_pb2.BASIS_COMMON:
            balances[line.gl_code] = balances.get(line.gl_code, 0) + line.credit - line.debit
    return balances


def _loyalty(balances: Mapping[str, int], members: str, moves: str) -> Loyalty:
    return Loyalty(
        issued=-balances.get(f"{moves}10", 0),
        spent=balances.get(f"{moves}20", 0),
        expired=balances.get(f"{moves}30", 0),
        outstanding=balances.get(f"{members}00", 0),
    )
