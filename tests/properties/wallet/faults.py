"""What becomes of a call, and what is recorded of its answer."""

from enum import Enum
from uuid import UUID

from hypothesis import strategies as st

from services.wallet.domain.command import (
    Answer,
    RecordAnswers,
)
from services.wallet.domain.leg import Leg, LegOperation, LegPhase
from services.wallet.domain.payment import Payment
from services.wallet.domain.tender import TenderKind
from tests.properties.wallet.counterparts import (
    Said,
)
from tests.properties.wallet.world import (
    new_id,
)


class Fault(Enum):
    """What becomes of one call."""

    NONE = "the call works"
    NOT_SENT = "nothing is sent, and that is known"
    LOST = "the request is lost"
    ANSWER_LOST = "the answer is lost after the effect"
    DELAYED = "the request arrives after everybody gave it up"
    LATE = "the answer comes late"
    TWICE = "the request comes twice, and the answer again later"


faults = st.sampled_from([Fault.NONE, *Fault])


def try_of(leg: Leg) -> tuple[UUID, LegOperation, int]:
    """Name a try of an operation."""
    return leg.leg_id, leg.operation, leg.try_number


def stored_legs(payment: Payment) -> dict[UUID, int]:
    """Give the amounts of the legs that no card pays."""
    return {leg.leg_id: leg.amount_minor for leg in payment.legs if leg.kind is not TenderKind.CARD}


def answer_of(leg: Leg, said: Said) -> Answer:
    """Make the answer to a leg of what was said."""
    assert leg.phase in (LegPhase.SENDING, LegPhase.OUTCOME_UNKNOWN)
    return Answer(
        leg.leg_id, leg.operation, leg.try_number, said.phase, said.decline, said.reference
    )


def recording(payment_id: UUID, answers: list[Answer]) -> RecordAnswers:
    """Make the command that records answers."""
    return RecordAnswers(
        event_id=new_id(), trace_parent="", payment_id=payment_id, answers=tuple(answers)
    )
