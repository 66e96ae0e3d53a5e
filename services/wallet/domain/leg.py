"""Legs: one means' part of a payment, and how far what is asked for it has come."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import IntEnum
from hashlib import sha256
from typing import Final, NamedTuple, Self
from uuid import UUID

from services.common.kernel.ids import derive_id
from services.wallet.domain.tender import CardMeans, TenderKind

LEGS_MAX: Final = 3
"""Kitty or points, prepaid, card."""

_LEG_STRIDE: Final = 16
"""Leg ids leave room for the ids that others derive from them (the release of a hold)."""

_RANDOM_BITS: Final = (1 << 62) - 1
_DERIVED_BITS: Final = 0xFF


class LegOperation(IntEnum):
    """What is asked for a leg; the numbers equal those of the protos."""

    UNSPECIFIED = 0
    """Nothing yet: the leg is planned."""
    HOLD = 1
    """Reserve stored value."""
    AUTHORIZE = 2
    """Ask the provider to authorize the card."""
    CAPTURE = 3
    """Ask the provider to capture what it authorized."""
    VOID = 4
    """Give back: release a hold, or cancel an authorization."""
    REFUND = 5
    """Ask the provider to refund a capture."""


class LegPhase(IntEnum):
    """How far an operation is; the numbers equal those of the protos."""

    UNSPECIFIED = 0
    """Nothing was sent."""
    SENDING = 1
    """Written down as about to be sent, so it may have been."""
    DONE = 2
    """Done."""
    DECLINED = 3
    """Refused by who was asked."""
    NOT_SENT = 4
    """Known not to have happened, and not to happen later."""
    OUTCOME_UNKNOWN = 5
    """Sent, and the outcome is unknown; evidence alone ends it."""


PENDING: Final = frozenset((LegPhase.SENDING, LegPhase.OUTCOME_UNKNOWN))
"""The phases in which somebody has to be asked, or asked again."""

REFUSED: Final = frozenset((LegPhase.DECLINED, LegPhase.NOT_SENT))
"""The phases in which an operation is known to have had no effect."""


class Decline(NamedTuple):
    """A no: a reason of points or ledger or the provider's code, and the issuer's where it tells one."""

    code: str
    issuer_code: str = ""


NOT_SENT_DECLINE: Final = Decline("not_sent")
"""Why an attempt failed when nobody said no: the request is known not to have arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLeg:
    """A leg as planned; nothing is sent yet."""

    leg_id: UUID
    kind: TenderKind
    amount_minor: int
    quantity: int
    """Points or kitty cents behind the amount; 0 for money."""
    card: CardMeans | None
    """Present exactly for a card."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A leg and what was last asked for it."""

    leg_id: UUID
    kind: TenderKind
    amount_minor: int
    quantity: int
    card: CardMeans | None
    operation: LegOperation = LegOperation.UNSPECIFIED
    phase: LegPhase = LegPhase.UNSPECIFIED
    try_number: int = 0
    """Number of the try at this operation, from 1; part of the provider's idempotency key."""
    sent_time: datetime | None = None
    """When this try was written down as about to be sent."""
    decline: Decline | None = None
    provider_reference: str = ""
    """The provider's name of the payment, as soon as it is known."""
    refund_reference: str = ""
    """The provider's name of the refund."""
    was_unknown: bool = False
    """Whether an outcome was unknown once."""

    @property
    def pending(self) -> bool:
        """Tell whether an answer is still to come, or to be found out."""
        return self.phase in PENDING

    def stands(self, operation: LegOperation, phase: LegPhase) -> bool:
        """Tell whether exactly this was asked last, and came to this."""
        return self.operation is operation and self.phase is phase

    def sent(self, operation: LegOperation, *, try_number: int, now: datetime) -> Self:
        """Give the leg about to be sent an operation."""
        return replace(
            self,
            operation=operation,
            phase=LegPhase.SENDING,
            try_number=try_number,
            sent_time=now,
            decline=None,
        )

    def answered(self, phase: LegPhase, *, decline: Decline | None, reference: str) -> Self:
        """Give the leg with the outcome of what was sent; an empty reference keeps the known one."""
        refunding = self.operation is LegOperation.REFUND
        return replace(
            self,
            phase=phase,
            decline=decline,
            provider_reference=self.provider_reference if refunding or not reference else reference,
            refund_reference=reference if refunding and reference else self.refund_reference,
            was_unknown=self.was_unknown or phase is LegPhase.OUTCOME_UNKNOWN,
        )


def planned(leg: NewLeg) -> Leg:
    """Give a leg of which nothing was sent yet."""
    return Leg(
        leg_id=leg.leg_id,
        kind=leg.kind,
        amount_minor=leg.amount_minor,
        quantity=leg.quantity,
        card=leg.card,
    )


def new_leg_id(payment_id: UUID, request_id: UUID, number: int) -> UUID:
    """Derive the id of the ``number``-th leg (from 1) of an attempt, the same every time.

    It keeps the version and the time of ``request_id``. The payment is mixed in, so that a phone that uses one request
    id for two checkouts cannot make two legs share a hold or a provider's key.
    """
    assert 0 < number <= LEGS_MAX, "an attempt has few legs"
    digest = int.from_bytes(sha256(payment_id.bytes + request_id.bytes).digest()[:8], "big")
    base = UUID(int=request_id.int ^ (digest & _RANDOM_BITS & ~_DERIVED_BITS))
    return derive_id(base, number * _LEG_STRIDE)
