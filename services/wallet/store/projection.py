"""What the tables keep of a payment: a pure function of its facts, which ``verify`` calls too."""

from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.wallet.domain.checkout import DEAD, Checkout, CheckoutState
from services.wallet.domain.event import Event, LegAnswered
from services.wallet.domain.payment import Payment
from services.wallet.domain.tender import TenderKind
from services.wallet.domain.top_up import TopUp, TopUpState

KIND_CHECKOUT: Final = 1
KIND_TOP_UP: Final = 2

_PAID: Final = (CheckoutState.SETTLED, CheckoutState.REFUNDING, CheckoutState.REFUNDED)


class PaymentRow(NamedTuple):
    """A row of the table ``payment``, without its shard, in the order of its columns."""

    payment_id: UUID
    kind: int
    version: int
    state: int
    customer_id: UUID | None
    in_flight: bool
    outcome_unknown: bool
    ever_unknown: bool
    ever_declined: bool
    card_captured_minor: int
    card_refunded_minor: int
    expire_time: datetime | None
    store_id: str | None
    business_date: date | None
    till_id: str | None
    sequence: int | None
    ticket_kind: int | None

    @property
    def is_live(self) -> bool:
        """Tell whether it keeps its ticket from other checkouts."""
        return self.kind == KIND_CHECKOUT and self.state not in DEAD


class ReferenceRow(NamedTuple):
    """A row of the table ``payment_reference``, without its shard."""

    provider_reference: str
    payment_id: UUID
    leg_id: UUID


def payment_row(payment: Payment) -> PaymentRow:
    """Give the row of a payment as it is."""
    if isinstance(payment, TopUp):
        return _top_up_row(payment)
    return _checkout_row(payment)


def reference_row(event: Event) -> ReferenceRow | None:
    """Give the row that a fact makes: the provider's name of a leg's payment or refund."""
    if isinstance(event, LegAnswered) and event.provider_reference:
        return ReferenceRow(event.provider_reference, event.payment_id, event.leg_id)
    return None


def _checkout_row(checkout: Checkout) -> PaymentRow:
    paid = checkout.state in _PAID
    card_minor = sum(leg.amount_minor for leg in checkout.legs if leg.kind is TenderKind.CARD)
    return PaymentRow(
        payment_id=checkout.checkout_id,
        kind=KIND_CHECKOUT,
        version=checkout.version,
        state=checkout.state,
        customer_id=checkout.customer_id,
        in_flight=checkout.in_flight,
        outcome_unknown=checkout.outcome_unknown,
        ever_unknown=checkout.ever_unknown,
        ever_declined=checkout.ever_declined,
        card_captured_minor=card_minor if paid else 0,
        card_refunded_minor=card_minor if checkout.state is CheckoutState.REFUNDED else 0,
        expire_time=checkout.expire_time,
        store_id=checkout.basket.ticket_key.store_id,
        business_date=checkout.basket.ticket_key.business_date,
        till_id=checkout.basket.ticket_key.till_id,
        sequence=checkout.basket.ticket_key.sequence,
        ticket_kind=checkout.basket.ticket_key.kind,
    )


def _top_up_row(top_up: TopUp) -> PaymentRow:
    return PaymentRow(
        payment_id=top_up.top_up_id,
        kind=KIND_TOP_UP,
        version=top_up.version,
        state=top_up.state,
        customer_id=top_up.customer_id,
        in_flight=top_up.in_flight,
        outcome_unknown=top_up.outcome_unknown,
        ever_unknown=top_up.ever_unknown,
        ever_declined=top_up.state is TopUpState.FAILED,
        card_captured_minor=top_up.amount_minor if top_up.state is TopUpState.SETTLED else 0,
        card_refunded_minor=0,
        expire_time=None,
        store_id=None,
        business_date=None,
        till_id=None,
        sequence=None,
        ticket_kind=None,
    )
