"""Whose cards were declined lately: who tries card after card is testing stolen ones, and is asked to wait.

It is a brake and no proof: each process counts for itself, in memory, and forgets at its end. What a decision follows
from stands in facts; this is asked before anything is decided, so no fact depends on it.
"""

from collections import OrderedDict, deque
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.common.kernel.clock import Clock
from services.common.kernel.errors import FailedPrecondition
from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.leg import LegPhase
from services.wallet.domain.payment import Payment
from services.wallet.domain.top_up import TopUp, TopUpState

CUSTOMERS_MAX: Final = 100_000
"""Shoppers of whom declines are remembered; beyond, the one who was declined longest ago is forgotten."""


class CardDeclinesTooMany(FailedPrecondition):
    """Too many cards of this shopper were declined lately."""

    reason = "CARD_DECLINES_TOO_MANY"


class CardDeclines:
    """Counts declined cards by shopper over a span of business time."""

    def __init__(
        self,
        clock: Clock,
        *,
        declines_max: int,
        span: timedelta,
        customers_max: int = CUSTOMERS_MAX,
    ) -> None:
        """Allow ``declines_max`` declined cards of a shopper in any ``span``."""
        self._clock = clock
        self._declines_max = declines_max
        self._span = span
        self._customers_max = customers_max
        self._times: OrderedDict[UUID, deque[datetime]] = OrderedDict()

    def notice(self, payments: Collection[Payment]) -> None:
        """Take changed payments in; to be told of each change once."""
        for payment in payments:
            if payment.customer_id is not None and _just_declined(payment):
                self._count(payment.customer_id)

    def require_few(self, customer_id: UUID) -> None:
        """Refuse a shopper whose cards were declined too often.

        Raises:
            CardDeclinesTooMany: as it says.
        """
        times = self._times.get(customer_id)
        if times is None or len(times) < self._declines_max:
            return
        retry_time = times[0] + self._span
        if self._clock() < retry_time:
            raise CardDeclinesTooMany(
                "Too many cards were declined lately; pay by other means.",
                retry_time=retry_time.isoformat(),
            )

    def _count(self, customer_id: UUID) -> None:
        times = self._times.pop(customer_id, None) or deque(maxlen=self._declines_max)
        times.append(self._clock())
        self._times[customer_id] = times
        while len(self._times) > self._customers_max:
            self._times.popitem(last=False)


def _just_declined(payment: Payment) -> bool:
    """Tell whether this change is the end of an attempt whose card was declined."""
    if isinstance(payment, TopUp):
        return payment.state is TopUpState.FAILED and payment.leg.phase is LegPhase.DECLINED
    if payment.state is not CheckoutState.OPEN or payment.decline is None:
        return False
    card = payment.card_leg
    return card is not None and card.phase is LegPhase.DECLINED
