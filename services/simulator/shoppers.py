"""What a shopper does at a checkout, from the code on the till's screen until the checkout is over."""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Final

from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.checkout_till import CheckoutTill
from services.simulator.errors import ServiceRefusedError
from services.simulator.habits import Fate
from services.simulator.phone_tally import PhoneTally
from services.simulator.phones import FOLLOW_SECONDS_MAX, POLL_SECONDS, Phone
from services.simulator.purse import TenderPlan
from services.simulator.sales import Attempt, PhoneSale
from services.simulator.watching import OVER, RESTING

_UNPLANNED: Final = frozenset({"TENDERS_INSUFFICIENT"})
"""Refusals of an attempt after which a shopper tries another way."""

_TOO_LATE: Final = frozenset({"CHECKOUT_NOT_OPEN", "CHECKOUT_NOT_CANCELLABLE"})
"""Refusals of what comes after the end, as when the checkout has expired meanwhile."""


@dataclass(frozen=True, slots=True)
class Shopper:
    """Somebody who pays one sale; ``is_pending`` is set once the provider makes everybody wait."""

    sale: PhoneSale
    plan: TenderPlan
    phone: Phone
    till: CheckoutTill
    tally: PhoneTally
    is_pending: asyncio.Event

    async def pay(self, checkout: pb.Checkout) -> None:
        """Claim the checkout and try to pay, until it is over."""
        try:
            await self._pay(checkout)
        except ServiceRefusedError as refusal:
            if refusal.reason not in _TOO_LATE or not await self._comes_to_an_end():
                raise

    async def _comes_to_an_end(self) -> bool:
        """Wait for the end of a checkout whose time is over: it is refused at once, and expires when it is swept."""
        began = monotonic()
        while monotonic() - began < FOLLOW_SECONDS_MAX:
            found = await self.till.look(self.sale.checkout_id)
            if found is None:
                return False
            if found.state in OVER:
                return True
            await asyncio.sleep(POLL_SECONDS)
        return False

    async def _pay(self, checkout: pb.Checkout) -> None:
        if not checkout.customer_id:
            checkout = await self.phone.claim(self.sale.checkout_id)
        checkout = await self.phone.wait_for_rest(checkout)
        was_declined = False
        for attempt in self.sale.attempts(self.plan):
            if checkout.state in OVER:
                break
            if attempt.number > checkout.attempt:
                checkout = await self._try(attempt, checkout)
                was_declined |= checkout.state == pb.CHECKOUT_STATE_OPEN and checkout.attempt > 0
        self.tally.declined += was_declined
        if checkout.state in OVER:
            return
        canceller = self.till if self.sale.fate is Fate.TILL_CANCELS else self.phone
        await canceller.cancel(self.sale.checkout_id)

    async def _try(self, attempt: Attempt, checkout: pb.Checkout) -> pb.Checkout:
        """Pay once, and give the checkout at rest; as it was when what was planned is not there."""
        card = self.sale.enrolment_id(attempt.card)
        method = await self.phone.enrol(attempt.card, request_id=card)
        tenders = attempt.plan.tenders(payment_method_id=method)
        try:
            paying = await self.phone.pay(
                self.sale.checkout_id, tenders, request_id=attempt.request_id
            )
        except ServiceRefusedError as refusal:
            if refusal.reason not in _UNPLANNED:
                raise
            return checkout
        if paying.state not in RESTING:
            self.is_pending.set()
        rested = await self.phone.wait_for_rest(paying)
        self.tally.add_holds(rested)
        return rested
