"""A shopper's phone: it enrolls cards, reads a till's code, pays, and sees what its owner has.

It acts for one customer with that customer's token, over the public API alone; the card goes from it to the provider.
Every command has an id that the caller chooses, so that all of them may be repeated.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Final
from uuid import UUID

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_service_pb2 as points_rpc
from cagnotte.wallet.v1 import checkout_service_pb2 as rpc
from cagnotte.wallet.v1 import payment_method_service_pb2 as methods_rpc
from cagnotte.wallet.v1 import prepaid_service_pb2 as prepaid_rpc
from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.calls import Identity
from services.simulator.errors import BooksBehindError, ServiceRefusedError
from services.simulator.stack import Phones, Stack
from services.simulator.watching import RESTING, checkout_at_rest

if TYPE_CHECKING:
    from cagnotte.points.v1.points_service_pb2_grpc import PointsServiceAsyncStub

POLL_SECONDS: Final = 0.1
"""Between two looks at what follows by event."""

FOLLOW_SECONDS_MAX: Final = 120.0
"""What follows by event does so within a second; a busy machine is given time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoyaltyBalances:
    """What a member can spend now: points, and kitty cents."""

    points: int
    kitty_minor: int


class Phone:
    """One customer's phone."""

    def __init__(self, phones: Phones, points: "PointsServiceAsyncStub", customer_id: UUID) -> None:
        """Take what makes a phone, and whose it is."""
        self.customer_id = customer_id
        self._wallet = phones.wallet
        self._page = phones.page
        self._points = points
        self._identity: Identity = phones.identity(customer_id)
        self._methods: dict[str, str] = {}

    @classmethod
    def of(cls, stack: Stack, customer_id: UUID) -> "Phone":
        """Make a customer's phone; the stack must be open to phones."""
        assert stack.phones is not None, "the endpoints name what phones need"
        return cls(stack.phones, stack.points, customer_id)

    async def enrol(self, card: str, *, request_id: UUID) -> str:
        """Enroll a test card and give the payment method's id; a card that this phone has enrolled is known.

        Raises ProviderRefusedError when the provider does not take it.
        """
        known = self._methods.get(card)
        if known is not None:
            return known
        begun = await self._identity.call(
            self._wallet.methods.CreateEnrolment,
            methods_rpc.CreateEnrolmentRequest(request_id=str(request_id)),
        )
        await self._page.confirm_enrolment(
            begun.provider_reference, client_secret=begun.client_secret, card=card
        )
        ended = await self._identity.call(
            self._wallet.methods.ConfirmEnrolment,
            methods_rpc.ConfirmEnrolmentRequest(provider_reference=begun.provider_reference),
        )
        method_id = self._methods[card] = ended.payment_method.payment_method_id
        return method_id

    async def claim(self, checkout_id: UUID) -> pb.Checkout:
        """Tie the checkout that the phone has read to its owner."""
        request = rpc.ClaimCheckoutRequest(checkout_id=str(checkout_id))
        return (await self._identity.call(self._wallet.checkouts.ClaimCheckout, request)).checkout

    async def quote(
        self, checkout_id: UUID, tenders: Sequence[pb.TenderRequest] = ()
    ) -> rpc.QuoteTendersResponse:
        """See what each tender would pay; without tenders, what all of them would."""
        request = rpc.QuoteTendersRequest(checkout_id=str(checkout_id), tenders=tenders)
        return await self._identity.call(self._wallet.checkouts.QuoteTenders, request)

    async def pay(
        self, checkout_id: UUID, tenders: Sequence[pb.TenderRequest], *, request_id: UUID
    ) -> pb.Checkout:
        """Pay, and give the checkout as it is when the wallet answers: it may still be under way."""
        request = rpc.PayCheckoutRequest(
            request_id=str(request_id), checkout_id=str(checkout_id), tenders=tenders
        )
        return (await self._identity.call(self._wallet.checkouts.PayCheckout, request)).checkout

    async def wait_for_rest(self, checkout: pb.Checkout) -> pb.Checkout:
        """Give the checkout once it is paid, open again, or over; it listens as long as that takes."""
        if checkout.state in RESTING:
            return checkout
        return await checkout_at_rest(
            self._wallet.checkouts,
            self._identity,
            checkout.checkout_id,
            after_version=checkout.version,
        )

    async def cancel(self, checkout_id: UUID) -> pb.Checkout:
        """Give the checkout up."""
        request = rpc.CancelCheckoutRequest(checkout_id=str(checkout_id))
        return (await self._identity.call(self._wallet.checkouts.CancelCheckout, request)).checkout

    async def top_up(self, amount_minor: int, *, card: str, request_id: UUID) -> pb.TopUp:
        """Put money on the prepaid balance from an enrolled card, and wait for the last word about it."""
        request = prepaid_rpc.TopUpRequest(
            request_id=str(request_id),
            amount_minor=amount_minor,
            payment_method_id=self._methods[card],
        )
        top_up = (await self._identity.call(self._wallet.prepaid.TopUp, request)).top_up
        while top_up.state == pb.TOP_UP_STATE_PROCESSING:
            await asyncio.sleep(POLL_SECONDS)
            again = prepaid_rpc.GetTopUpRequest(top_up_id=top_up.top_up_id)
            top_up = (await self._identity.call(self._wallet.prepaid.GetTopUp, again)).top_up
        return top_up

    async def find_top_up(self, top_up_id: UUID) -> pb.TopUp | None:
        """Give a top-up as it is now, or None when its owner never asked for it."""
        request = prepaid_rpc.GetTopUpRequest(top_up_id=str(top_up_id))
        try:
            return (await self._identity.call(self._wallet.prepaid.GetTopUp, request)).top_up
        except ServiceRefusedError as refusal:
            if refusal.reason != "TOP_UP_NOT_FOUND":
                raise
            return None

    async def prepaid_minor(self) -> int:
        """Give what can be spent of the prepaid balance now, in cents."""
        answer = await self._identity.call(
            self._wallet.prepaid.GetPrepaidBalance, prepaid_rpc.GetPrepaidBalanceRequest()
        )
        return answer.available.minor_units

    async def wait_for_prepaid(self, wanted_minor: int) -> int:
        """Wait until the prepaid balance is at least that: the books follow by event. Raises BooksBehindError."""
        began = monotonic()
        while (seen := await self.prepaid_minor()) < wanted_minor:
            if monotonic() - began > FOLLOW_SECONDS_MAX:
                raise BooksBehindError(
                    f"A top-up is not on the prepaid balance after {FOLLOW_SECONDS_MAX:.0f} s: "
                    f"{seen} cents of {wanted_minor}."
                )
            await asyncio.sleep(POLL_SECONDS)
        return seen

    async def loyalty(self) -> LoyaltyBalances:
        """Give what can be spent of points and kitty now."""
        answer = await self._identity.call(
            self._points.GetBalances,
            points_rpc.GetBalancesRequest(customer_id=str(self.customer_id)),
        )
        available = {balance.currency: balance.available for balance in answer.balances}
        return LoyaltyBalances(
            points=available.get(money_pb2.LOYALTY_CURRENCY_POINTS, 0),
            kitty_minor=available.get(money_pb2.LOYALTY_CURRENCY_KITTY, 0),
        )
