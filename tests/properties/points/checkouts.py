"""Checkouts in the small world: what a phone's payment sends to the points service, and when."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from services.common.kernel.loyalty import LoyaltyCurrency
from services.points.domain.batch import Batch
from services.points.domain.command import (
    Command,
    HoldValue,
    IdentifyMember,
    RecordTicket,
    ReverseCheckout,
    SettleCheckout,
    TenderClaim,
)
from services.points.domain.ticket import Tender, TenderKind
from tests.properties.points.world import MEMBERS, START, event_id, new_world, record, run

CUSTOMERS: Final = (UUID(int=41), UUID(int=42))
"""The customers that the two members are."""
STRANGER: Final = UUID(int=49)
"""A customer without a member."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """A checkout of one ticket: its till, its hold if kitty or points pay, its facts."""

    till: RecordTicket
    hold: HoldValue | None
    settle: SettleCheckout
    refund: ReverseCheckout

    def paid(self) -> list[Command]:
        """Give what happens when a phone pays: the hold, then the settlement."""
        return [self.hold, self.settle] if self.hold else [self.settle]

    def otherwise(self) -> RecordTicket:
        """Give the till's ticket with other content under the same key."""
        content = self.till.content + b" otherwise"
        return replace(
            self.till,
            event_id=event_id(self.till.ticket.key.sequence + 70_000),
            content=content,
            content_hash=sha256(content).digest(),
        )


def make_checkout(
    number: int,
    *,
    sales: tuple[int, ...],
    occur_time: datetime,
    customer_id: UUID = CUSTOMERS[0],
    pays: tuple[LoyaltyCurrency, int] | None = None,
    hold_time: timedelta = timedelta(days=7),
) -> Checkout:
    """Make a checkout; ``pays`` is a loyalty currency and the quantity it pays, a cent each."""
    at_till = record(number, member_id=None, sales=sales, occur_time=occur_time)
    checkout_id, hold_id = UUID(int=number << 32), UUID(int=number << 40)
    paid_by_phone = (Tender(TenderKind.CHECKOUT, at_till.ticket.total_minor),)
    ticket = replace(at_till.ticket, checkout_id=checkout_id, tenders=paid_by_phone)
    content = repr(ticket).encode()
    till = replace(at_till, ticket=ticket, content=content, content_hash=sha256(content).digest())
    claims = (TenderClaim(hold_id, pays[0], pays[1], pays[1]),) if pays else ()
    hold = None
    if pays:
        hold = HoldValue(
            event_id(number + 10_000),
            "",
            hold_id,
            None,
            customer_id,
            *pays,
            occur_time + hold_time,
        )
    settle = SettleCheckout(
        event_id=event_id(number + 20_000),
        trace_parent="",
        occur_time=occur_time,
        checkout_id=checkout_id,
        customer_id=customer_id,
        ticket=ticket,
        content=content,
        content_hash=till.content_hash,
        tenders=claims,
    )
    refund = ReverseCheckout(
        event_id=event_id(number + 30_000),
        trace_parent="",
        occur_time=occur_time,
        checkout_id=checkout_id,
        refund_id=UUID(int=number << 48),
        key=ticket.key,
    )
    return Checkout(till, hold, settle, refund)


def new_shop() -> Batch:
    """Give the small world with its members identified as customers."""
    world = new_world()
    known: list[Command] = [
        IdentifyMember(event_id(950 + place), "", member_id, customer_id)
        for place, (member_id, customer_id) in enumerate(zip(MEMBERS, CUSTOMERS, strict=True))
    ]
    run(world, known, now=START)
    return world
