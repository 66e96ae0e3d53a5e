"""The facts of the service; what the journal keeps of each is in ``codec``."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, TypeAlias
from uuid import UUID

from services.wallet.domain.basket import Basket, TicketKey
from services.wallet.domain.leg import Decline, LegOperation, LegPhase, NewLeg
from services.wallet.domain.tender import TicketTender


class Stamp(NamedTuple):
    """What every fact carries: its id, its time in business, and when it was recorded."""

    event_id: UUID
    occur_time: datetime
    record_time: datetime
    trace_parent: str


class CancelCause(IntEnum):
    """Why a checkout ended unpaid; the numbers equal those of the protos."""

    REQUESTED = 1
    EXPIRED = 2


class SettledTender(NamedTuple):
    """What one tender paid; a supplier's coupon has no leg."""

    leg_id: UUID | None
    kind: TicketTender
    amount_minor: int
    quantity: int
    provider_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _CheckoutFact:
    stamp: Stamp
    checkout_id: UUID

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.checkout_id


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutOpened(_CheckoutFact):
    """A till asks for a basket to be paid."""

    basket: Basket
    expire_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutClaimed(_CheckoutFact):
    """A shopper pays this checkout."""

    customer_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentStarted(_CheckoutFact):
    """An attempt at paying, with its legs in the order of allocation; they sum to what is due."""

    request_id: UUID
    request_hash: bytes
    attempt: int
    legs: tuple[NewLeg, ...]
    hold_expire_time: datetime
    give_up_time: datetime | None
    """None in older facts: the holds' own end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed(_CheckoutFact):
    """An attempt is over without effect: everything held is released, the checkout is open again."""

    attempt: int
    decline: Decline


@dataclass(frozen=True, slots=True, kw_only=True)
class CancellationRequested(_CheckoutFact):
    """A checkout that is being paid is to be undone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundStarted(_CheckoutFact):
    """A settled checkout is to be given back in full."""

    refund_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutSettled(_CheckoutFact):
    """A basket is paid; the tenders ascend by kind and sum to its total."""

    customer_id: UUID
    basket: Basket
    tenders: tuple[SettledTender, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutCancelled(_CheckoutFact):
    """A checkout ended unpaid, with nothing held or charged."""

    customer_id: UUID | None
    cause: CancelCause


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutRefunded(_CheckoutFact):
    """A settled checkout was given back in full; the tenders equal those that paid."""

    refund_id: UUID
    customer_id: UUID
    ticket_key: TicketKey
    currency_code: str
    sales_by_vat_rate: tuple[tuple[int, int], ...]
    tenders: tuple[SettledTender, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _LegFact:
    stamp: Stamp
    payment_id: UUID
    leg_id: UUID
    operation: LegOperation

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact: the checkout or the top-up."""
        return self.payment_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LegSent(_LegFact):
    """An operation is about to be sent, so from now on it may have happened."""

    try_number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LegAnswered(_LegFact):
    """What became of an operation: DONE, DECLINED, NOT_SENT or OUTCOME_UNKNOWN."""

    phase: LegPhase
    decline: Decline | None
    provider_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _TopUpFact:
    stamp: Stamp
    top_up_id: UUID

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.top_up_id


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpStarted(_TopUpFact):
    """A shopper puts money on the prepaid balance; the leg's amount is that of the top-up."""

    customer_id: UUID
    currency_code: str
    leg: NewLeg


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpSettled(_TopUpFact):
    """The card was captured: the ledger credits the prepaid balance."""

    customer_id: UUID
    amount_minor: int
    currency_code: str
    provider_reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TopUpFailed(_TopUpFact):
    """A top-up is over without effect."""

    decline: Decline


@dataclass(frozen=True, slots=True, kw_only=True)
class _ShopperFact:
    stamp: Stamp
    customer_id: UUID

    @property
    def subject(self) -> UUID:
        """Give the aggregate of the fact."""
        return self.customer_id


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopperRegistered(_ShopperFact):
    """The provider knows the shopper under this name from now on."""

    provider_customer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodEnrolled(_ShopperFact):
    """The shopper can pay with a card from now on."""

    payment_method_id: UUID
    provider_method: str
    fingerprint: str
    brand: str
    last_four: str
    expire_month: int
    expire_year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodDefaulted(_ShopperFact):
    """This method is used when none is named."""

    payment_method_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentMethodDetached(_ShopperFact):
    """A method is gone; if it was the default one, the oldest that is left becomes it."""

    payment_method_id: UUID


LegEvent: TypeAlias = LegSent | LegAnswered
"""What happens to a leg, of a checkout or of a top-up."""

CheckoutEvent: TypeAlias = (
    CheckoutOpened
    | CheckoutClaimed
    | PaymentStarted
    | PaymentFailed
    | CancellationRequested
    | RefundStarted
    | CheckoutSettled
    | CheckoutCancelled
    | CheckoutRefunded
    | LegEvent
)

TopUpEvent: TypeAlias = TopUpStarted | TopUpSettled | TopUpFailed | LegEvent

ShopperEvent: TypeAlias = (
    ShopperRegistered | PaymentMethodEnrolled | PaymentMethodDefaulted | PaymentMethodDetached
)

Event: TypeAlias = CheckoutEvent | TopUpEvent | ShopperEvent
