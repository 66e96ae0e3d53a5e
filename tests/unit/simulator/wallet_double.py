"""A wallet of one process and no memory but a dict: enough for a till and a phone to play a checkout through."""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc
from grpc.aio import AioRpcError, Metadata

from cagnotte.wallet.v1 import checkout_service_pb2 as rpc
from cagnotte.wallet.v1 import payment_method_service_pb2 as methods_rpc
from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.common.kernel.errors import DomainError
from services.common.runtime.grpc_errors import to_status

OVER = (pb.CHECKOUT_STATE_SETTLED, pb.CHECKOUT_STATE_CANCELLED, pb.CHECKOUT_STATE_REFUNDED)


def failure(code: grpc.StatusCode) -> AioRpcError:
    """Make what gRPC raises."""
    return AioRpcError(code, Metadata(), Metadata(), details="made up")


def refusal(error: DomainError) -> AioRpcError:
    """Make what gRPC raises when a service refuses with a reason."""
    status = to_status(error)
    return AioRpcError(
        status.code, Metadata(), Metadata(*status.trailing_metadata), details=status.details
    )


class WalletDouble:
    """Settles what is paid, unless the card's token says that it declines or hangs."""

    def __init__(self, *, broken_streams: int = 0) -> None:
        """Break so many streams after their first word."""
        self.checkouts: dict[str, pb.Checkout] = {}
        self.calls: list[str] = []
        self.hanging = asyncio.Event()
        self._changed = asyncio.Condition()
        self._broken_streams = broken_streams
        self._enrolled: dict[str, str] = {}

    async def OpenCheckout(  # noqa: N802 -- the RPC's name
        self, request: rpc.OpenCheckoutRequest, **_: Any
    ) -> rpc.OpenCheckoutResponse:
        """Open, or give what is known."""
        self.calls.append("open")
        ticket = request.ticket
        known = self.checkouts.get(ticket.checkout_id)
        if known is None:
            known = pb.Checkout(
                checkout_id=ticket.checkout_id,
                version=1,
                state=pb.CHECKOUT_STATE_OPEN,
                due_minor=ticket.total_minor,
            )
            self.checkouts[ticket.checkout_id] = known
        return rpc.OpenCheckoutResponse(checkout=known)

    async def ClaimCheckout(  # noqa: N802 -- the RPC's name
        self, request: rpc.ClaimCheckoutRequest, **_: Any
    ) -> rpc.ClaimCheckoutResponse:
        """Claim."""
        self.calls.append("claim")
        checkout = self.checkouts[request.checkout_id]
        checkout.customer_id = "somebody"
        await self._change(checkout, checkout.state)
        return rpc.ClaimCheckoutResponse(checkout=checkout)

    async def PayCheckout(  # noqa: N802 -- the RPC's name
        self, request: rpc.PayCheckoutRequest, **_: Any
    ) -> rpc.PayCheckoutResponse:
        """Pay as the card says."""
        card = request.tenders[-1].payment_method_id
        self.calls.append(f"pay with {card}")
        checkout = self.checkouts[request.checkout_id]
        checkout.attempt += 1
        del checkout.legs[:]
        for tender in request.tenders:
            checkout.legs.add(kind=tender.kind, amount_minor=tender.amount_minor)
        if "hang" in card:
            await self._change(checkout, pb.CHECKOUT_STATE_PROCESSING)
            task = asyncio.create_task(self._settle_later(checkout))
            task.add_done_callback(lambda _: None)
        elif "Declined" in card:
            await self._change(checkout, pb.CHECKOUT_STATE_OPEN)
        else:
            await self._change(checkout, pb.CHECKOUT_STATE_SETTLED)
        return rpc.PayCheckoutResponse(checkout=checkout)

    async def CancelCheckout(  # noqa: N802 -- the RPC's name
        self, request: rpc.CancelCheckoutRequest, **_: Any
    ) -> rpc.CancelCheckoutResponse:
        """Cancel."""
        self.calls.append("cancel")
        checkout = self.checkouts[request.checkout_id]
        await self._change(checkout, pb.CHECKOUT_STATE_CANCELLED)
        return rpc.CancelCheckoutResponse(checkout=checkout)

    async def GetCheckout(  # noqa: N802 -- the RPC's name
        self, request: rpc.GetCheckoutRequest, **_: Any
    ) -> rpc.GetCheckoutResponse:
        """Look."""
        return rpc.GetCheckoutResponse(checkout=self.checkouts[request.checkout_id])

    def WatchCheckout(self, request: rpc.WatchCheckoutRequest, **_: Any) -> "StreamDouble":  # noqa: N802 -- the RPC's name
        """Stream what is newer."""
        self.calls.append(f"watch after {request.after_version}")
        return StreamDouble(self._states(request))

    async def CreateEnrolment(  # noqa: N802 -- the RPC's name
        self, _: methods_rpc.CreateEnrolmentRequest, **__: Any
    ) -> methods_rpc.CreateEnrolmentResponse:
        """Begin an enrolment."""
        reference = f"seti_{len(self._enrolled)}"
        return methods_rpc.CreateEnrolmentResponse(
            provider_reference=reference, client_secret="secret"
        )

    async def confirm_enrolment(self, reference: str, *, client_secret: str, card: str) -> None:
        """Take the card, as the provider's page does."""
        assert client_secret == "secret"
        self._enrolled[reference] = card

    async def ConfirmEnrolment(  # noqa: N802 -- the RPC's name
        self, request: methods_rpc.ConfirmEnrolmentRequest, **_: Any
    ) -> methods_rpc.ConfirmEnrolmentResponse:
        """End it: here a method is called after its card."""
        card = self._enrolled[request.provider_reference]
        return methods_rpc.ConfirmEnrolmentResponse(
            payment_method=pb.PaymentMethod(payment_method_id=card)
        )

    async def _settle_later(self, checkout: pb.Checkout) -> None:
        await self.hanging.wait()
        await self._change(checkout, pb.CHECKOUT_STATE_SETTLED)

    async def _change(self, checkout: pb.Checkout, state: pb.CheckoutState.ValueType) -> None:
        async with self._changed:
            checkout.state = state
            checkout.version += 1
            self._changed.notify_all()

    async def _states(
        self, request: rpc.WatchCheckoutRequest
    ) -> AsyncIterator[rpc.WatchCheckoutResponse]:
        checkout, seen = self.checkouts[request.checkout_id], request.after_version
        while True:
            if checkout.version > seen:
                state = pb.Checkout()
                state.CopyFrom(checkout)
                seen = state.version
                yield rpc.WatchCheckoutResponse(checkout=state)
                if self._broken_streams:
                    self._broken_streams -= 1
                    raise failure(grpc.StatusCode.UNAVAILABLE)
            if checkout.state in OVER:
                return
            async with self._changed:
                await self._changed.wait_for(partial(_is_newer, checkout, seen))


def _is_newer(checkout: pb.Checkout, seen: int) -> bool:
    return checkout.version > seen


class StreamDouble:
    """What gRPC gives for a stream: something to iterate over and to cancel."""

    def __init__(self, states: AsyncIterator[rpc.WatchCheckoutResponse]) -> None:
        """Take the states."""
        self._states = states

    def __aiter__(self) -> AsyncIterator[rpc.WatchCheckoutResponse]:
        """Give the states."""
        return self._states

    def cancel(self) -> None:
        """Nobody listens any more."""
