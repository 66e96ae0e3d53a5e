"""Top-ups: money that moves from a card to the prepaid balance."""

from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any
from uuid import UUID

from services.wallet.domain.event import (
    LegAnswered,
    LegSent,
    TopUpEvent,
    TopUpFailed,
    TopUpSettled,
    TopUpStarted,
)
from services.wallet.domain.leg import Decline, Leg, LegPhase, planned


class TopUpState(IntEnum):
    """Where a top-up stands; the numbers equal those of the protos."""

    PROCESSING = 1
    """The card is being asked, or an answer is unknown and is being found out."""
    SETTLED = 2
    """Captured."""
    FAILED = 3
    """Declined, or known not to have happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUp:
    """One top-up; it changes by facts alone (``apply``)."""

    top_up_id: UUID
    version: int
    """Number of facts so far."""
    state: TopUpState
    customer_id: UUID
    currency_code: str
    leg: Leg
    decline: Decline | None = None
    """Why it failed."""
    ever_unknown: bool = False
    """Whether an outcome was unknown once."""

    @property
    def payment_id(self) -> UUID:
        """Give the name that it shares with checkouts."""
        return self.top_up_id

    @property
    def amount_minor(self) -> int:
        """Give the amount in minor units."""
        return self.leg.amount_minor

    @property
    def legs(self) -> tuple[Leg, ...]:
        """Give its one leg, as a checkout gives its legs."""
        return (self.leg,)

    @property
    def in_flight(self) -> bool:
        """Tell whether calls are being made, or have to be, for it to come to an end."""
        return self.state is TopUpState.PROCESSING

    @property
    def outcome_unknown(self) -> bool:
        """Tell whether an outcome is unknown right now."""
        return self.leg.phase is LegPhase.OUTCOME_UNKNOWN


def apply(top_up: TopUp | None, event: TopUpEvent) -> TopUp:
    """Fold one fact in; facts come in the order of the journal, without a gap."""
    if top_up is None:
        assert isinstance(event, TopUpStarted), "a top-up begins by being started"
        return TopUp(
            top_up_id=event.top_up_id,
            version=1,
            state=TopUpState.PROCESSING,
            customer_id=event.customer_id,
            currency_code=event.currency_code,
            leg=planned(event.leg),
        )
    return replace(top_up, version=top_up.version + 1, **_changes(top_up, event))


def _changes(top_up: TopUp, event: TopUpEvent) -> dict[str, Any]:
    leg = top_up.leg
    match event:
        case LegSent():
            now = event.stamp.record_time
            return {"leg": leg.sent(event.operation, try_number=event.try_number, now=now)}
        case LegAnswered():
            reference = event.provider_reference
            answered = leg.answered(event.phase, decline=event.decline, reference=reference)
            return {"leg": answered, "ever_unknown": top_up.ever_unknown or answered.was_unknown}
        case TopUpSettled():
            return {"state": TopUpState.SETTLED}
        case TopUpFailed():
            return {"state": TopUpState.FAILED, "decline": event.decline}
        case TopUpStarted():
            raise AssertionError("a top-up is started once")
