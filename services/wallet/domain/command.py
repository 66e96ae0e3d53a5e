"""The commands that change the state; each is decided in its place within a batch.

``event_id`` is made when the command is made; the facts that the command causes take their ids from it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from services.wallet.domain.basket import Basket
from services.wallet.domain.leg import Decline, LegOperation, LegPhase
from services.wallet.domain.tender import CardMeans, PlannedTender


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCheckout:
    """Open a checkout for a basket that ``check_basket`` has passed; its id is the idempotency key."""

    event_id: UUID
    trace_parent: str
    checkout_id: UUID
    basket: Basket
    expire_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimCheckout:
    """Tie a checkout to a shopper."""

    event_id: UUID
    trace_parent: str
    checkout_id: UUID
    customer_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StartPayment:
    """Pay with planned tenders; ``request_hash`` is the SHA-256 of what the phone asked for."""

    event_id: UUID
    trace_parent: str
    checkout_id: UUID
    customer_id: UUID
    request_id: UUID
    request_hash: bytes
    tenders: tuple[PlannedTender, ...]
    hold_expire_time: datetime
    give_up_time: datetime | None
    """From when on the attempt is given up unless the card is being captured; None means the holds' own end."""
    attempts_max: int
    """How many attempts the checkout may have, this one counted."""


class Answer(NamedTuple):
    """What became of one try at an operation of a leg."""

    leg_id: UUID
    operation: LegOperation
    try_number: int
    phase: LegPhase
    decline: Decline | None = None
    provider_reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordAnswers:
    """Record answers of one payment; those that come too late change nothing."""

    event_id: UUID
    trace_parent: str
    payment_id: UUID
    answers: tuple[Answer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestCancellation:
    """Give a checkout up; ``customer_id`` is the shopper that asks, none when the till does."""

    event_id: UUID
    trace_parent: str
    checkout_id: UUID
    customer_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpireCheckouts:
    """End at most ``limit`` open checkouts whose time is over."""

    event_id: UUID
    trace_parent: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRefund:
    """Give a settled checkout back in full."""

    event_id: UUID
    trace_parent: str
    checkout_id: UUID
    request_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class StartTopUp:
    """Move money from a card to the prepaid balance; its id is the idempotency key."""

    event_id: UUID
    trace_parent: str
    top_up_id: UUID
    customer_id: UUID
    amount_minor: int
    currency_code: str
    card: CardMeans
    card_named: bool
    """Whether the shopper named the card; otherwise a repeat may meet another default."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterShopper:
    """Keep under which name the provider knows a shopper; the first name stays."""

    event_id: UUID
    trace_parent: str
    customer_id: UUID
    provider_customer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolMethod:
    """Keep a card; the same card (by its fingerprint) is kept once."""

    event_id: UUID
    trace_parent: str
    customer_id: UUID
    payment_method_id: UUID
    provider_method: str
    fingerprint: str
    brand: str
    last_four: str
    expire_month: int
    expire_year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultMethod:
    """Use a method when none is named."""

    event_id: UUID
    trace_parent: str
    customer_id: UUID
    payment_method_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachMethod:
    """Forget a method."""

    event_id: UUID
    trace_parent: str
    customer_id: UUID
    payment_method_id: UUID


Command: TypeAlias = (
    OpenCheckout
    | ClaimCheckout
    | StartPayment
    | RecordAnswers
    | RequestCancellation
    | ExpireCheckouts
    | StartRefund
    | StartTopUp
    | RegisterShopper
    | EnrolMethod
    | DefaultMethod
    | DetachMethod
)
