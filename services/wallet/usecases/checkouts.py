"""Open, claim, cancel and refund checkouts."""

from datetime import timedelta
from uuid import UUID

from services.common.kernel.clock import Clock
from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import CallerKind
from services.common.runtime.identity import Caller
from services.common.runtime.telemetry import current_traceparent
from services.wallet.domain.basket import Basket
from services.wallet.domain.command import (
    ClaimCheckout,
    OpenCheckout,
    RequestCancellation,
    StartRefund,
)
from services.wallet.domain.opening import PaymentOutcome
from services.wallet.domain.payment import Payment
from services.wallet.usecases.execute import Queue, execute
from services.wallet.usecases.in_time import InTime
from services.wallet.usecases.read import shopper_id


class Checkouts:
    """What till, phone and operator may ask of a checkout, paying apart."""

    def __init__(
        self, queue: Queue, in_time: InTime, clock: Clock, *, checkout_duration: timedelta
    ) -> None:
        """Take the queue; a checkout stays open for ``checkout_duration`` of business time."""
        self._queue = queue
        self._in_time = in_time
        self._clock = clock
        self._checkout_duration = checkout_duration

    async def open(self, checkout_id: UUID, basket: Basket) -> Payment:
        """Open a checkout for a checked basket; a repeat gets it as it is now.

        Raises:
            RequestIdReused, TicketKeyTaken: as they say.
        """
        command = OpenCheckout(
            event_id=new_uuid7(),
            trace_parent=current_traceparent(),
            checkout_id=checkout_id,
            basket=basket,
            expire_time=self._clock() + self._checkout_duration,
        )
        return (await execute(self._queue, command, PaymentOutcome)).payment

    async def claim(self, checkout_id: UUID, *, caller: Caller) -> Payment:
        """Tie a checkout to the calling shopper.

        Raises:
            CheckoutNotFound, ClaimedByAnother, CheckoutNotOpen: as they say.
        """
        command = ClaimCheckout(
            event_id=new_uuid7(),
            trace_parent=current_traceparent(),
            checkout_id=checkout_id,
            customer_id=shopper_id(caller),
        )
        return (await execute(self._queue, command, PaymentOutcome)).payment

    async def cancel(self, checkout_id: UUID, *, caller: Caller) -> Payment:
        """Give a checkout up, and give it cancelled, or as it is when the time is over.

        Raises:
            CheckoutNotFound, CheckoutNotClaimed, CheckoutNotCancellable: as they say.
        """
        is_shopper = caller.kind is CallerKind.SHOPPER
        command = RequestCancellation(
            event_id=new_uuid7(),
            trace_parent=current_traceparent(),
            checkout_id=checkout_id,
            customer_id=shopper_id(caller) if is_shopper else None,
        )
        return await self._in_time.execute(command)

    async def refund(self, checkout_id: UUID, *, request_id: UUID) -> Payment:
        """Give a settled checkout back, and give it refunded, or as it is when the time is over.

        Raises:
            CheckoutNotFound, CheckoutNotRefundable: as they say.
        """
        command = StartRefund(
            event_id=new_uuid7(),
            trace_parent=current_traceparent(),
            checkout_id=checkout_id,
            request_id=request_id,
        )
        return await self._in_time.execute(command)
