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
from services.wallet.usecases.declines import CardDeclines
from services.wallet.usecases.in_time import InTime
from services.wallet.usecases.read import Reader, shopper_id

CURRENCY_CODE: Final = "EUR"
"""Prepaid balances are in euros."""


class TopUps:
    """Puts money on prepaid balances."""

    def __init__(self, reader: Reader, in_time: InTime, declines: CardDeclines) -> None:
        """Take the questions, what answers in time, and whose cards were declined lately."""
        self._reader = reader
        self._in_time = in_time
        self._declines = declines

    async def top_up(
        self,
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
            CardDeclinesTooMany: nothing was asked; the repeat of what was begun is answered all the same.
        """
        customer_id = shopper_id(caller)
        card = await self._repeated_card(request_id, payment_method_id, customer_id)
        is_repeat = card is not None
        if card is None:
            card = card_of(await self._reader.shopper(customer_id), payment_method_id)
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
        if is_repeat:
            return await self._in_time.execute(command)
        with self._declines.asking(customer_id, request_id):
            return await self._in_time.execute(command)

    async def _repeated_card(
        self, request_id: UUID, payment_method_id: UUID | None, customer_id: UUID
    ) -> CardMeans | None:
        """Give the card of a repeated top-up, which may have been detached since."""
        known = await self._reader.payment(request_id)
        if not isinstance(known, TopUp) or known.customer_id != customer_id:
            return None
        card = known.leg.card
        assert card is not None, "a top-up is paid by card"
        if payment_method_id in {None, card.payment_method_id}:
            return card
        return None
