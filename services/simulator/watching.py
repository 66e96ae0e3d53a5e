"""Listening to a checkout until it rests; a broken connection goes on from the version last seen."""

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from cagnotte.wallet.v1 import checkout_service_pb2 as rpc
from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.simulator.calls import Identity

if TYPE_CHECKING:
    from cagnotte.wallet.v1.checkout_service_pb2_grpc import CheckoutServiceAsyncStub

OVER: Final = frozenset(
    {
        pb.CHECKOUT_STATE_SETTLED,
        pb.CHECKOUT_STATE_CANCELLED,
        pb.CHECKOUT_STATE_EXPIRED,
        pb.CHECKOUT_STATE_REFUNDED,
    }
)
"""Nothing more happens to such a checkout by itself."""

RESTING: Final = OVER | {pb.CHECKOUT_STATE_OPEN}
"""It is somebody's turn, or nobody's: no provider is being asked."""

RETURNED: Final = frozenset({pb.CHECKOUT_STATE_REFUNDED, pb.CHECKOUT_STATE_SETTLED})
"""A return is over: everything went back, or nothing did."""

UNPAID: Final = frozenset({pb.CHECKOUT_STATE_CANCELLED, pb.CHECKOUT_STATE_EXPIRED})
"""It ended without a payment."""

_PAUSE_SECONDS: Final = 0.2


async def last_word(
    checkouts: "CheckoutServiceAsyncStub",
    identity: Identity,
    checkout_id: str,
    *,
    after_version: int,
) -> pb.Checkout:
    """Listen until the checkout is over, and give it."""
    return await _listen(checkouts, identity, checkout_id, after_version, until=OVER)


async def checkout_at_rest(
    checkouts: "CheckoutServiceAsyncStub",
    identity: Identity,
    checkout_id: str,
    *,
    after_version: int,
) -> pb.Checkout:
    """Listen until the checkout is over, or open again after a decline, and give it."""
    return await _listen(checkouts, identity, checkout_id, after_version, until=RESTING)


async def returned_checkout(
    checkouts: "CheckoutServiceAsyncStub",
    identity: Identity,
    checkout_id: str,
    *,
    after_version: int,
) -> pb.Checkout:
    """Listen until a checkout that is being given back is so, or cannot be, and give it."""
    return await _listen(checkouts, identity, checkout_id, after_version, until=RETURNED)


async def _listen(
    checkouts: "CheckoutServiceAsyncStub",
    identity: Identity,
    checkout_id: str,
    seen: int,
    *,
    until: frozenset["pb.CheckoutState.ValueType"],
) -> pb.Checkout:
    while True:
        request = rpc.WatchCheckoutRequest(checkout_id=checkout_id, after_version=seen)
        async with aclosing(identity.listen(checkouts.WatchCheckout, request)) as states:
            async for state in states:
                assert state.checkout.version > seen, "a stream begins with what is newer"
                seen = state.checkout.version
                if state.checkout.state in until:
                    return state.checkout
        # The stream broke, or everything had been said before it began: one look tells which.
        answer = await identity.call(
            checkouts.GetCheckout, rpc.GetCheckoutRequest(checkout_id=checkout_id)
        )
        if answer.checkout.state in until:
            return answer.checkout
        await asyncio.sleep(_PAUSE_SECONDS)
