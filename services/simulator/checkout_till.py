"""A till as far as it deals with checkouts: it opens them, listens, gives up, and gives back."""

from uuid import UUID

from cagnotte.points.v1 import points_pb2
from cagnotte.wallet.v1 import checkout_service_pb2 as rpc
from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.calls import Identity
from services.simulator.errors import ServiceRefusedError
from services.simulator.stack import WalletStubs
from services.simulator.watching import OVER, RETURNED, last_word, returned_checkout


class CheckoutTill:
    """A till as far as it deals with checkouts."""

    def __init__(self, wallet: WalletStubs, identity: Identity) -> None:
        """Take the wallet, and who the till is."""
        self._checkouts = wallet.checkouts
        self._identity = identity

    async def open(self, ticket: points_pb2.Ticket) -> pb.Checkout:
        """Open the checkout that a ticket names; one that is known is given as it is now."""
        request = rpc.OpenCheckoutRequest(ticket=ticket)
        return (await self._identity.call(self._checkouts.OpenCheckout, request)).checkout

    async def look(self, checkout_id: UUID) -> pb.Checkout | None:
        """Give the checkout as it is now, or None when it does not exist."""
        request = rpc.GetCheckoutRequest(checkout_id=str(checkout_id))
        try:
            return (await self._identity.call(self._checkouts.GetCheckout, request)).checkout
        except ServiceRefusedError as refusal:
            if refusal.reason != "CHECKOUT_NOT_FOUND":
                raise
            return None

    async def wait_for_last_word(self, checkout: pb.Checkout) -> pb.Checkout:
        """Listen until the checkout is over."""
        if checkout.state in OVER:
            return checkout
        return await last_word(
            self._checkouts,
            self._identity,
            checkout.checkout_id,
            after_version=checkout.version,
        )

    async def cancel(self, checkout_id: UUID) -> pb.Checkout:
        """Give the checkout up."""
        request = rpc.CancelCheckoutRequest(checkout_id=str(checkout_id))
        return (await self._identity.call(self._checkouts.CancelCheckout, request)).checkout

    async def refund(self, checkout_id: UUID, *, request_id: UUID) -> pb.Checkout:
        """Give a settled checkout back, and give it as it is when the wallet answers."""
        request = rpc.RefundCheckoutRequest(
            request_id=str(request_id), checkout_id=str(checkout_id)
        )
        return (await self._identity.call(self._checkouts.RefundCheckout, request)).checkout

    async def wait_for_refund(self, checkout: pb.Checkout) -> pb.Checkout:
        """Listen until a checkout that is being given back is refunded, or settled again since it cannot be."""
        if checkout.state in RETURNED:
            return checkout
        return await returned_checkout(
            self._checkouts,
            self._identity,
            checkout.checkout_id,
            after_version=checkout.version,
        )
