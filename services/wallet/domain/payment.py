"""What checkouts and top-ups share: both are payments, driven leg by leg to their end."""

from typing import TypeAlias

from services.wallet.domain.checkout import Checkout
from services.wallet.domain.checkout import apply as apply_to_checkout
from services.wallet.domain.event import (
    CheckoutEvent,
    CheckoutOpened,
    LegAnswered,
    LegSent,
    TopUpEvent,
    TopUpFailed,
    TopUpSettled,
    TopUpStarted,
)
from services.wallet.domain.top_up import TopUp
from services.wallet.domain.top_up import apply as apply_to_top_up

Payment: TypeAlias = Checkout | TopUp
"""What is driven: its legs are sent, answered and found out in the same way."""


def apply(payment: Payment | None, event: CheckoutEvent | TopUpEvent) -> Payment:
    """Fold one fact in; the first one tells whether it is a checkout or a top-up."""
    match payment, event:
        case Checkout(), LegSent() | LegAnswered():
            return apply_to_checkout(payment, event)
        case TopUp(), LegSent() | LegAnswered():
            return apply_to_top_up(payment, event)
        case ((TopUp() | None), TopUpStarted() | TopUpSettled() | TopUpFailed()):
            return apply_to_top_up(payment, event)
        case None, CheckoutOpened():
            return apply_to_checkout(None, event)
        case _:
            assert isinstance(payment, Checkout), "a payment begins by its first fact"
            assert not isinstance(event, TopUpStarted | TopUpSettled | TopUpFailed)
            return apply_to_checkout(payment, event)
