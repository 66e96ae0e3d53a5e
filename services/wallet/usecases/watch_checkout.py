"""Watch a checkout: its state now, and again at each change, until nothing more happens by itself."""

from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from services.common.runtime.identity import Caller
from services.wallet.domain.checkout import Checkout, CheckoutState
from services.wallet.domain.opening import CheckoutNotFound
from services.wallet.usecases.read import Reader, may_see
from services.wallet.usecases.watch import WatchHub

_ENDS: Final = frozenset(
    {
        CheckoutState.SETTLED,
        CheckoutState.CANCELLED,
        CheckoutState.EXPIRED,
        CheckoutState.REFUNDED,
    }
)


async def watch_checkout(
    hub: WatchHub, reader: Reader, checkout_id: UUID, *, after_version: int, caller: Caller
) -> AsyncIterator[Checkout]:
    """Give the states of a checkout that are newer than ``after_version``, as they come.

    States in between may be left out, the last one never. A checkout that has ended is given
    once more, so that whoever comes back after its end hears of it.

    Raises:
        CheckoutNotFound: there is none, or another shopper has claimed it meanwhile.
        Draining: the process is about to end; go on elsewhere from the version last seen.
    """
    with hub.watching(checkout_id) as watcher:
        checkout = await reader.checkout(checkout_id, caller=caller)
        watcher.offer(checkout)
        if checkout.version > after_version or checkout.state in _ENDS:
            yield checkout
        version = max(checkout.version, after_version)
        while checkout.state not in _ENDS:
            payment = await watcher.newer_than(version)
            if not isinstance(payment, Checkout) or not may_see(caller, payment):
                raise CheckoutNotFound("There is no such checkout.", checkout_id=checkout_id)
            checkout, version = payment, payment.version
            yield checkout
