"""Put money on the prepaid balance: charge a card, once."""

from typing import Final
from uuid import UUID

from services.common.kernel.ids import new_uuid7
from services.common.runtime.identity import Caller
from services.common.runtime.telemetry import current_traceparent
from services.wallet.domain.command import StartTopUp
from services.wallet.domain.payment import Payment
from services.wallet.domain.shopper import card_of
from services.wallet.domain.tender import CardMeans
from services.wallet.domain.top_up import TopUp
from services.wallet.usecases.in_time import InTime
from services.wallet.usecases.read import Reader, shopper_id

CURRENCY_CODE: Final = "EUR"
"""Prepaid balances are in euros."""


async def top_up(
    reader: Reader,
    in_time: InTime,
    request_id: UUID,
    *,
    amount_minor: int,
    payment_method_id: UUID | None,
    caller: Caller,
) -> Payment:
    """Begin a top-up, and give it at its end, or as it is when the time is over.

    Raises:
        PaymentMethodNotFound: the shopper has no such card.
        RequestIdReused: the id made another payment.
    """
    customer_id = shopper_id(caller)
    card = await _repeated_card(reader, request_id, payment_method_id, customer_id)
    if card is None:
        card = card_of(await reader.shopper(customer_id), payment_method_id)
    command = StartTopUp(
        event_id=new_uuid7(),
        trace_parent=current_traceparent(),
        top_up_id=request_id,
        customer_id=customer_id,
        amount_minor=amount_minor,
        currency_code=CURRENCY_CODE,
        card=card,
        card_named=payment_method_id is not None,
    )
    return await in_time.execute(command)


async def _repeated_card(
    reader: Reader, request_id: UUID, payment_method_id: UUID | None, customer_id: UUID
) -> CardMeans | None:
    """Give the card of a repeated top-up, which may have been detached since."""
    known = await reader.payment(request_id)
    if not isinstance(known, TopUp) or known.customer_id != customer_id:
        return None
    card = known.leg.card
    assert card is not None, "a top-up is paid by card"
    if payment_method_id in {None, card.payment_method_id}:
        return card
    return None
