"""Whose cards were declined lately: who tries card after card is testing stolen ones, and is asked to wait.

It is a brake and no proof: each process counts for itself, in memory, and forgets at its end. What a decision follows
from stands in facts; this is asked before anything is decided, so no fact depends on it.
"""

from collections import OrderedDict, deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.common.kernel.clock import Clock
from services.common.kernel.errors import DomainError, FailedPrecondition
from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.leg import LegPhase
from services.wallet.domain.payment import Payment
from services.wallet.domain.top_up import TopUp, TopUpState

CUSTOMERS_MAX: Final = 100_000
"""Shoppers of whom tries are remembered; beyond, the one who tried longest ago is forgotten."""


class CardDeclinesTooMany(FailedPrecondition):
    """Too many cards of this shopper were declined lately, or are being asked."""

    reason = "CARD_DECLINES_TOO_MANY"


@dataclass(slots=True)
class _Asked:
    """A payment whose card is being asked: since when, and whether it is known to have begun."""

    since: datetime
    begun: bool = False


@dataclass(slots=True)
class _Tries:
    """What one shopper tried lately: when cards were declined, and the payments whose card is being asked."""

    declined: deque[datetime]
    asked: dict[UUID, _Asked] = field(default_factory=dict)


class CardDeclines:
    """Counts declined cards by shopper over a span of business time.

    A card that is being asked counts as well: else whoever tries many at once has them all asked before the first no.
    """

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
        self._tries: OrderedDict[UUID, _Tries] = OrderedDict()

    def notice(self, payments: Collection[Payment]) -> None:
        """Take changed payments in; to be told of each change once."""
        for payment in payments:
            if payment.customer_id is None:
                continue
            if _asks_card(payment):
                asked = _Asked(self._clock(), begun=True)
                self._of(payment.customer_id).asked[payment.payment_id] = asked
                continue
            tries = self._tries.get(payment.customer_id)
            if tries is not None:
                tries.asked.pop(payment.payment_id, None)
            if _just_declined(payment):
                self._of(payment.customer_id).declined.append(self._clock())

    @contextmanager
    def asking(self, customer_id: UUID, payment_id: UUID) -> Iterator[None]:
        """Count a card as being asked while its payment is begun; ``notice`` tells when that has ended.

        Raises:
            CardDeclinesTooMany: too many were declined, or are being asked.
        """
        asked = self._of(customer_id).asked
        if payment_id not in asked:  # A repeat asks nobody again.
            self.require_few(customer_id)
            asked[payment_id] = _Asked(self._clock())
        try:
            yield
        except DomainError:
            # Refused: nothing has begun, unless another request for the same payment has.
            if payment_id in asked and not asked[payment_id].begun:
                del asked[payment_id]
            raise

    def require_few(self, customer_id: UUID) -> None:
        """Refuse a shopper whose cards were declined too often, or who has too many asked at once.

        Raises:
            CardDeclinesTooMany: as it says.
        """
        tries = self._tries.get(customer_id)
        if tries is None:
            return
        now = self._clock()
        declined = [time for time in tries.declined if now < time + self._span]
        # What was begun here may end elsewhere, of which nobody tells: it is forgotten as a decline is.
        for payment_id in [
            id_ for id_, each in tries.asked.items() if each.since + self._span <= now
        ]:
            del tries.asked[payment_id]
        if len(declined) + len(tries.asked) < self._declines_max:
            return
        waits = len(declined) >= self._declines_max
        retry_time = declined[0] + self._span if waits else now
        raise CardDeclinesTooMany(
            "Too many cards were declined lately; pay by other means.",
            retry_time=retry_time.isoformat(),
        )

    def _of(self, customer_id: UUID) -> _Tries:
        """Give what a shopper tried, the newest among all."""
        tries = self._tries.pop(customer_id, None) or _Tries(deque(maxlen=self._declines_max))
        self._tries[customer_id] = tries
        while len(self._tries) > self._customers_max:
            self._tries.popitem(last=False)
        return tries


def _asks_card(payment: Payment) -> bool:
    """Tell whether a card is being asked to pay, or may yet be."""
    if isinstance(payment, TopUp):
        return payment.state is TopUpState.PROCESSING
    return payment.state is CheckoutState.PROCESSING and payment.card_leg is not None


def _just_declined(payment: Payment) -> bool:
    """Tell whether this change is the end of an attempt whose card was declined."""
    if isinstance(payment, TopUp):
        return payment.state is TopUpState.FAILED and payment.leg.phase is LegPhase.DECLINED
    if payment.state is not CheckoutState.OPEN or payment.decline is None:
        return False
    card = payment.card_leg
    return card is not None and card.phase is LegPhase.DECLINED
