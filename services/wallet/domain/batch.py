"""What one batch of commands sees and changes: folded aggregates, and the facts it records."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.common.kernel.ids import derive_id
from services.wallet.domain.basket import TicketKey
from services.wallet.domain.checkout import Checkout
from services.wallet.domain.command import (
    ClaimCheckout,
    Command,
    DefaultMethod,
    DetachMethod,
    EnrolMethod,
    ExpireCheckouts,
    OpenCheckout,
    RecordAnswers,
    RegisterShopper,
    RequestCancellation,
    StartPayment,
    StartRefund,
    StartTopUp,
)
from services.wallet.domain.event import (
    CheckoutCancelled,
    CheckoutOpened,
    Event,
    PaymentMethodDefaulted,
    PaymentMethodDetached,
    PaymentMethodEnrolled,
    ShopperRegistered,
    Stamp,
)
from services.wallet.domain.payment import Payment
from services.wallet.domain.payment import apply as apply_to_payment
from services.wallet.domain.shopper import Shopper
from services.wallet.domain.shopper import apply as apply_to_shopper


@dataclass(slots=True)
class Stamps:
    """Makes the stamps of the facts of one command: the first has its id, the others derive theirs."""

    event_id: UUID
    trace_parent: str
    now: datetime
    count: int = 0

    def new(self) -> Stamp:
        """Give the stamp of the next fact."""
        event_id = derive_id(self.event_id, self.count) if self.count else self.event_id
        self.count += 1
        return Stamp(event_id, self.now, self.now, self.trace_parent)


@dataclass(slots=True)
class Batch:
    """The aggregates of one batch; the fold owns it and changes it by facts alone.

    Who loads it takes in (``take``) the facts of every subject of its commands (``subjects_of``) and of
    ``due_checkouts``, in the order of the journal. One UUID may name a payment and a shopper: the two are kept apart.
    """

    payments: dict[UUID, Payment] = field(default_factory=dict)
    shoppers: dict[UUID, Shopper] = field(default_factory=dict)
    live_tickets: dict[TicketKey, UUID] = field(default_factory=dict)
    """Checkout that is not cancelled or expired, by its ticket; of the tickets of ``OpenCheckout`` commands."""
    due_checkouts: list[UUID] = field(default_factory=list)
    """Open checkouts whose time is over, soonest first; one more than the limit of ``ExpireCheckouts``."""
    events: list[Event] = field(default_factory=list)
    """Facts that the journal will have, in their order."""

    def take(self, event: Event) -> None:
        """Fold in a fact of the journal."""
        match event:
            case (
                ShopperRegistered()
                | PaymentMethodEnrolled()
                | PaymentMethodDefaulted()
                | PaymentMethodDetached()
            ):
                shopper = self.shoppers.get(event.subject)
                self.shoppers[event.subject] = apply_to_shopper(shopper, event)
            case _:
                payment = self.payments.get(event.subject)
                self.payments[event.subject] = apply_to_payment(payment, event)

    def record(self, event: Event) -> None:
        """Take a new fact in: it changes the aggregates, and the journal will have it."""
        self.take(event)
        self.events.append(event)
        match event:
            case CheckoutOpened():
                self.live_tickets[event.basket.ticket_key] = event.checkout_id
            case CheckoutCancelled():
                checkout = self.payments[event.checkout_id]
                assert isinstance(checkout, Checkout), "only a checkout is cancelled"
                self.live_tickets.pop(checkout.basket.ticket_key, None)
            case _:
                pass


def subjects_of(command: Command) -> tuple[UUID, ...]:
    """Give the subjects whose facts decide a command."""
    match command:
        case RecordAnswers():
            return (command.payment_id,)
        case (
            OpenCheckout()
            | ClaimCheckout()
            | StartPayment()
            | RequestCancellation()
            | StartRefund()
        ):
            return (command.checkout_id,)
        case StartTopUp():
            return (command.top_up_id,)
        case RegisterShopper() | EnrolMethod() | DefaultMethod() | DetachMethod():
            return (command.customer_id,)
        case ExpireCheckouts():
            return ()
