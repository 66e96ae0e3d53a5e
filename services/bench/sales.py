"""Sales to phones, written before the clock runs: real baskets, each paid by another shopper."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from cagnotte.points.v1 import points_pb2
from cagnotte.wallet.v1 import checkout_service_pb2 as pb
from cagnotte.wallet.v1 import wallet_pb2
from services.bench.shoppers import SHOPPERS, member_id
from services.common.kernel.clock import business_date
from services.common.kernel.ids import new_uuid7
from services.simulator.baskets import installed_dataset, read_baskets
from services.simulator.tickets import TicketPrinter

_BASKETS: Final = 3_000
_DUE_MINOR_MIN: Final = 500
"""Smaller baskets do not leave a card enough to pay."""

_KITTY_MINOR: Final = 100
_PREPAID_MINOR: Final = 100
_SEQUENCES_PER_PASS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """One sale: the requests of its till and its phone as they go over the wire."""

    shopper: int
    open: bytes
    claim: bytes
    pay: bytes


class SaleMaker:
    """Makes sales from the baskets, in their order, without end."""

    def __init__(self) -> None:
        """Read the baskets."""
        printer = TicketPrinter()
        baskets = read_baskets(installed_dataset(), limit=_BASKETS)
        printed = [
            printer.print_ticket(basket, checkout_id=UUID(int=0)).ticket for basket in baskets
        ]
        self._tickets = [ticket for ticket in printed if _due_minor(ticket) >= _DUE_MINOR_MIN]
        self._made = 0
        self._day = datetime.now(UTC) - timedelta(hours=1)

    @property
    def lines_mean(self) -> float:
        """Give the mean number of lines of a basket."""
        return sum(len(ticket.lines) for ticket in self._tickets) / len(self._tickets)

    def by_card(self) -> Sale:
        """Make a sale that a card pays whole."""
        ticket = self._ticket()
        return self._sale(ticket, [_tender(wallet_pb2.TENDER_KIND_CARD, _due_minor(ticket))])

    def by_three_tenders(self) -> Sale:
        """Make a sale that kitty, prepaid balance and card pay."""
        ticket = self._ticket()
        rest_minor = _due_minor(ticket) - _KITTY_MINOR - _PREPAID_MINOR
        tenders = [
            _tender(wallet_pb2.TENDER_KIND_KITTY, _KITTY_MINOR),
            _tender(wallet_pb2.TENDER_KIND_PREPAID, _PREPAID_MINOR),
            _tender(wallet_pb2.TENDER_KIND_CARD, rest_minor),
        ]
        return self._sale(ticket, tenders)

    def _ticket(self) -> points_pb2.Ticket:
        passes, place = divmod(self._made, len(self._tickets))
        ticket = points_pb2.Ticket()
        ticket.CopyFrom(self._tickets[place])
        # Sequences restart every day of the baskets, and all become tickets of one day: the place keeps them apart.
        ticket.key.sequence = 1 + passes * _SEQUENCES_PER_PASS + place
        ticket.key.business_date = business_date(self._day).isoformat()
        ticket.occur_time.FromDatetime(self._day)
        ticket.checkout_id = str(new_uuid7())
        ticket.member_id = str(member_id(self._made % SHOPPERS))
        return ticket

    def _sale(self, ticket: points_pb2.Ticket, tenders: Sequence[wallet_pb2.TenderRequest]) -> Sale:
        shopper = self._made % SHOPPERS
        self._made += 1
        checkout_id = ticket.checkout_id
        pay = pb.PayCheckoutRequest(
            request_id=str(new_uuid7()), checkout_id=checkout_id, tenders=tenders
        )
        return Sale(
            shopper=shopper,
            open=pb.OpenCheckoutRequest(ticket=ticket).SerializeToString(),
            claim=pb.ClaimCheckoutRequest(checkout_id=checkout_id).SerializeToString(),
            pay=pay.SerializeToString(),
        )


def _due_minor(ticket: points_pb2.Ticket) -> int:
    return sum(
        tender.amount_minor
        for tender in ticket.tenders
        if tender.kind == points_pb2.TENDER_KIND_CHECKOUT
    )


def _tender(kind: wallet_pb2.TenderKind.ValueType, amount_minor: int) -> wallet_pb2.TenderRequest:
    return wallet_pb2.TenderRequest(kind=kind, amount_minor=amount_minor)
