"""The servicer of ``cagnotte.wallet.v1.CheckoutService``."""

from collections.abc import AsyncIterator
from hashlib import sha256
from typing import Any, Final, TypeAlias
from uuid import UUID

import grpc

from cagnotte.wallet.v1 import checkout_service_pb2 as pb
from cagnotte.wallet.v1 import checkout_service_pb2_grpc, wallet_pb2
from services.common.runtime.access import require_own_store
from services.common.runtime.config import CallerKind
from services.common.runtime.identity import current_caller
from services.wallet.codec.basket import parse_new_basket
from services.wallet.codec.checkout import (
    parse_tenders,
    render_checkout,
    render_share,
    render_tender,
)
from services.wallet.domain.basket import TicketNotPayable
from services.wallet.domain.checkout import Checkout
from services.wallet.domain.payment import Payment
from services.wallet.domain.planner import share_by_line
from services.wallet.usecases.checkouts import Checkouts
from services.wallet.usecases.pay import Pay, PayRequest
from services.wallet.usecases.read import Reader
from services.wallet.usecases.watch import WatchHub
from services.wallet.usecases.watch_checkout import watch_checkout

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_NOTHING: Final = "00000000-0000-0000-0000-000000000000"
_OUTSIDERS: Final = frozenset({CallerKind.SHOPPER, CallerKind.TILL})


class CheckoutServicer(checkout_service_pb2_grpc.CheckoutServiceServicer):
    """Translate; decide nothing."""

    def __init__(self, checkouts: Checkouts, pay: Pay, reader: Reader, hub: WatchHub) -> None:
        """Take what can be done with checkouts, paying, the questions, and who waits."""
        self._checkouts = checkouts
        self._pay = pay
        self._reader = reader
        self._hub = hub

    async def OpenCheckout(
        self, request: pb.OpenCheckoutRequest, context: Context
    ) -> pb.OpenCheckoutResponse:
        """Open a checkout for a basket."""
        checkout_id = UUID(request.ticket.checkout_id or _NOTHING)
        if not checkout_id.int:
            raise TicketNotPayable(
                "The ticket names no checkout.",
                violations=[("ticket.checkout_id", "is what the till calls the checkout")],
            )
        require_own_store(current_caller(), request.ticket.key.store_id)
        basket = parse_new_basket(request.ticket)
        payment = await self._checkouts.open(checkout_id, basket)
        return pb.OpenCheckoutResponse(checkout=_render(payment))

    async def ClaimCheckout(
        self, request: pb.ClaimCheckoutRequest, context: Context
    ) -> pb.ClaimCheckoutResponse:
        """Tie a checkout to the calling shopper."""
        payment = await self._checkouts.claim(UUID(request.checkout_id), caller=current_caller())
        return pb.ClaimCheckoutResponse(checkout=_render(payment))

    async def QuoteTenders(
        self, request: pb.QuoteTendersRequest, context: Context
    ) -> pb.QuoteTendersResponse:
        """Tell what each tender would pay."""
        checkout, plan = await self._pay.quote(
            UUID(request.checkout_id), parse_tenders(request.tenders), caller=current_caller()
        )
        amounts = [(tender.kind, tender.amount_minor) for tender in plan.tenders]
        shares = share_by_line(checkout.basket.lines, amounts)
        return pb.QuoteTendersResponse(
            due_minor=plan.due_minor,
            tenders=[render_tender(tender) for tender in plan.tenders],
            missing_minor=plan.missing_minor,
            line_shares=[render_share(share) for share in shares],
        )

    async def PayCheckout(
        self, request: pb.PayCheckoutRequest, context: Context
    ) -> pb.PayCheckoutResponse:
        """Pay, and answer in time."""
        asked = PayRequest(
            request_id=UUID(request.request_id),
            request_hash=sha256(request.SerializeToString(deterministic=True)).digest(),
            checkout_id=UUID(request.checkout_id),
            tenders=parse_tenders(request.tenders),
        )
        payment = await self._pay.pay(asked, caller=current_caller())
        return pb.PayCheckoutResponse(checkout=_render(payment))

    async def CancelCheckout(
        self, request: pb.CancelCheckoutRequest, context: Context
    ) -> pb.CancelCheckoutResponse:
        """Give a checkout up."""
        checkout_id, caller = UUID(request.checkout_id), current_caller()
        if caller.store_ids is not None:
            checkout = await self._reader.checkout(checkout_id, caller=caller)
            require_own_store(caller, checkout.basket.ticket_key.store_id)
        payment = await self._checkouts.cancel(checkout_id, caller=caller)
        return pb.CancelCheckoutResponse(checkout=_render(payment))

    async def RefundCheckout(
        self, request: pb.RefundCheckoutRequest, context: Context
    ) -> pb.RefundCheckoutResponse:
        """Give a settled checkout back."""
        payment = await self._checkouts.refund(
            UUID(request.checkout_id), request_id=UUID(request.request_id)
        )
        return pb.RefundCheckoutResponse(checkout=_render(payment))

    async def GetCheckout(
        self, request: pb.GetCheckoutRequest, context: Context
    ) -> pb.GetCheckoutResponse:
        """Answer a checkout as it is now."""
        checkout = await self._reader.checkout(UUID(request.checkout_id), caller=current_caller())
        return pb.GetCheckoutResponse(checkout=_render(checkout))

    async def WatchCheckout(
        self, request: pb.WatchCheckoutRequest, context: Context
    ) -> AsyncIterator[pb.WatchCheckoutResponse]:
        """Send the checkout now, then again at each change."""
        states = watch_checkout(
            self._hub,
            self._reader,
            UUID(request.checkout_id),
            after_version=request.after_version,
            caller=current_caller(),
        )
        async for checkout in states:
            yield pb.WatchCheckoutResponse(checkout=_render(checkout))


def _render(payment: Payment) -> wallet_pb2.Checkout:
    assert isinstance(payment, Checkout), "what is asked of a checkout answers one"
    return render_checkout(payment, for_staff=current_caller().kind not in _OUTSIDERS)
