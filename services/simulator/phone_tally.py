"""What phones and tills were told about checkouts: the other half of the comparison with the books."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_pb2
from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.errors import ServiceRefusedError
from services.simulator.figures import BasketFigures, InputTally, vat_of_reduced
from services.simulator.sales import PhoneSale

_KIND_OF_CURRENCY: Final[Mapping[int, int]] = MappingProxyType(
    {
        money_pb2.LOYALTY_CURRENCY_POINTS: pb.TENDER_KIND_POINTS,
        money_pb2.LOYALTY_CURRENCY_KITTY: pb.TENDER_KIND_KITTY,
    }
)


@dataclass(slots=True)
class PhoneTally:
    """Running sums in cents over checkouts; all but ``baskets`` and ``returned_minor`` count what is new to the stack.

    ``paid`` and ``returned`` hold VAT on the price that kitty and points left. ``by_tender`` and ``back_by_tender`` are
    what each kind of tender paid and got back; ``taken`` and ``restored`` are what returns did to the value that a
    ticket had earned and spent. ``transactions`` are those that the ledger must have for all this, beyond the facts of
    the points service.
    """

    baskets: int = 0
    returned_minor: int = 0
    paid: InputTally = field(default_factory=InputTally)
    returned: InputTally = field(default_factory=InputTally)
    by_tender: Counter[int] = field(default_factory=Counter)
    back_by_tender: Counter[int] = field(default_factory=Counter)
    issued: Counter[int] = field(default_factory=Counter)
    taken: Counter[int] = field(default_factory=Counter)
    restored: Counter[int] = field(default_factory=Counter)
    top_ups_minor: int = 0
    declined: int = 0
    cancelled: int = 0
    transactions: int = 0

    def add_paid(self, sale: PhoneSale, figures: BasketFigures, checkout: pb.Checkout) -> None:
        """Count a checkout that was settled; raise ServiceRefusedError unless its legs pay what was due."""
        amounts = amounts_of(checkout)
        if amounts.total() != sale.due_minor:
            raise ServiceRefusedError(
                f"Checkout {checkout.checkout_id} took {amounts.total()} cents for {sale.due_minor}."
            )
        self.paid.add(_reduced(sale, figures, amounts))
        self.by_tender.update(amounts)
        self.transactions += 1

    def add_returned(self, sale: PhoneSale, figures: BasketFigures, checkout: pb.Checkout) -> None:
        """Count a settled checkout that was given back in full."""
        amounts = amounts_of(checkout)
        self.returned_minor += figures.sales_minor
        self.returned.add(_reduced(sale, figures, amounts))
        self.back_by_tender.update(amounts)
        self.transactions += 1

    def add_holds(self, checkout: pb.Checkout) -> None:
        """Count the hold of the prepaid balance in an attempt that rests, and what ended it."""
        for leg in checkout.legs:
            if leg.kind == pb.TENDER_KIND_PREPAID and _was_held(leg):
                self.transactions += 2

    def add_top_up(self, amount_minor: int) -> None:
        """Count a settled top-up."""
        self.top_ups_minor += amount_minor
        self.transactions += 1

    def add_earned(self, settlement: points_pb2.TicketSettlement) -> None:
        """Count what the ticket of a settled checkout earned."""
        for award in settlement.decision.awards:
            self.issued[award.currency] += award.quantity

    def add_reversal(self, reversal: points_pb2.TicketReversal) -> None:
        """Count what a return took back and restored."""
        for amount in reversal.amounts:
            self.taken[amount.currency] += amount.taken
            self.restored[amount.currency] += amount.restored
        self.transactions += any(amount.taken or amount.restored for amount in reversal.amounts)

    @property
    def card_minor(self) -> int:
        """Give what cards paid, top-ups included."""
        return self.by_tender[pb.TENDER_KIND_CARD] + self.top_ups_minor

    @property
    def card_back_minor(self) -> int:
        """Give what cards got back."""
        return self.back_by_tender[pb.TENDER_KIND_CARD]

    def loyalty_paid(self, currency: int) -> int:
        """Give what a loyalty currency paid: kitty cents, or points of a cent each."""
        return self.by_tender[_KIND_OF_CURRENCY[currency]]

    @property
    def prepaid_minor(self) -> int:
        """Give by how much prepaid balances grew."""
        paid = self.by_tender[pb.TENDER_KIND_PREPAID]
        return self.top_ups_minor - paid + self.back_by_tender[pb.TENDER_KIND_PREPAID]


def amounts_of(checkout: pb.Checkout) -> Counter[int]:
    """Sum the legs of a settled or refunded checkout by kind of tender, in cents."""
    amounts: Counter[int] = Counter()
    for leg in checkout.legs:
        amounts[leg.kind] += leg.amount_minor
    return amounts


def _reduced(sale: PhoneSale, figures: BasketFigures, amounts: Counter[int]) -> BasketFigures:
    reduction = sum(amounts[kind] for kind in _KIND_OF_CURRENCY.values())
    return figures._replace(vat_minor=vat_of_reduced(sale.gross, reduction))


def _was_held(leg: pb.Leg) -> bool:
    # A leg whose hold was refused never gets another operation.
    return leg.operation != pb.LEG_OPERATION_HOLD or leg.phase == pb.LEG_PHASE_DONE
