"""A till and a phone for the tests of decisions: they bring a checkout to where a test begins."""

from typing import Final
from uuid import UUID

from services.wallet.domain.checkout import Checkout
from services.wallet.domain.command import (
    Answer,
    RecordAnswers,
    RequestCancellation,
    StartRefund,
    StartTopUp,
)
from services.wallet.domain.event import Event, LegSent
from services.wallet.domain.leg import Decline, Leg, LegOperation, LegPhase
from services.wallet.domain.tender import CardMeans, PlannedTender, TenderKind
from tests.properties.wallet.world import (
    CARD,
    SHOPPER,
    World,
    a_basket,
    claiming,
    new_id,
    opening,
    paying,
    tender,
)

CHECKOUT: Final = new_id(1)
REQUEST: Final = new_id(2)
TOP_UP: Final = new_id(3)
NO: Final = Decline("card_declined", "insufficient_funds")
DUE: Final = 1000
HOLD, AUTHORIZE, CAPTURE, VOID, REFUND = list(LegOperation)[1:]
SENDING, DONE, DECLINED, NOT_SENT, UNKNOWN = list(LegPhase)[1:]
KITTY, PREPAID, CARDS = 0, 1, 2
"""The legs of a split payment, by their place."""

SPLIT: Final[tuple[PlannedTender, ...]] = (
    tender(TenderKind.KITTY, 300),
    tender(TenderKind.PREPAID, 500),
    tender(TenderKind.CARD, 200),
)


def claimed(world: World | None = None, *, coupon_minor: int = 0) -> World:
    """Give a world with a checkout that a phone has claimed."""
    world = world or World()
    world.settle(opening(CHECKOUT, a_basket(DUE, coupon_minor=coupon_minor), now=world.now))
    world.settle(claiming(CHECKOUT))
    return world


def started(*tenders: PlannedTender, coupon_minor: int = 0) -> World:
    """Give a world with a checkout whose payment has begun; split over three means by default."""
    world = claimed(coupon_minor=coupon_minor)
    world.settle(paying(CHECKOUT, *(tenders or SPLIT), request_id=REQUEST))
    return world


def held() -> World:
    """Give a world in which the stored value is held, and the card is being asked."""
    world = started()
    answer(world, KITTY, DONE)
    answer(world, PREPAID, DONE)
    return world


def authorized() -> World:
    """Give a world in which the card said yes, and is being captured."""
    world = held()
    answer(world, CARDS, DONE, reference="pi_1")
    return world


def settled() -> World:
    """Give a world with a checkout that is paid."""
    world = authorized()
    answer(world, CARDS, DONE)
    return world


def refunding() -> World:
    """Give a world in which the card is being refunded."""
    world = settled()
    world.settle(refund())
    return world


def answer(
    world: World,
    place: int,
    phase: LegPhase,
    *,
    decline: Decline | None = None,
    reference: str = "",
) -> Checkout:
    """Answer what a leg of the checkout is being asked now."""
    return answer_to(world, leg(world, place), phase, decline=decline, reference=reference)


def answer_to(
    world: World,
    asking: Leg,
    phase: LegPhase,
    *,
    decline: Decline | None = None,
    reference: str = "",
) -> Checkout:
    """Answer what a leg of the checkout was being asked at some time."""
    said = Answer(asking.leg_id, asking.operation, asking.try_number, phase, decline, reference)
    world.settle(recording(CHECKOUT, said))
    return world.checkout(CHECKOUT)


def answer_top_up(world: World, phase: LegPhase, *, reference: str = "") -> None:
    """Answer what the leg of the top-up is being asked now."""
    asking = leg(world, 0, payment_id=TOP_UP)
    said = Answer(asking.leg_id, asking.operation, asking.try_number, phase, None, reference)
    world.settle(recording(TOP_UP, said))


def recording(payment_id: UUID, *answers: Answer) -> RecordAnswers:
    """Give the command that records answers."""
    return RecordAnswers(event_id=new_id(), trace_parent="", payment_id=payment_id, answers=answers)


def leg(world: World, place: int, *, payment_id: UUID = CHECKOUT) -> Leg:
    """Give a leg as it is now."""
    return world.payment(payment_id).legs[place]


def asked(world: World, *, payment_id: UUID = CHECKOUT) -> list[tuple[LegOperation, LegPhase]]:
    """Give what each leg is being asked, and how far that is."""
    return [(leg.operation, leg.phase) for leg in world.payment(payment_id).legs]


def cancelling(customer_id: UUID | None = None) -> RequestCancellation:
    """Give the command that gives the checkout up: the till's, or a shopper's."""
    return RequestCancellation(
        event_id=new_id(), trace_parent="", checkout_id=CHECKOUT, customer_id=customer_id
    )


def refund(request_id: UUID | None = None) -> StartRefund:
    """Give the command that gives the checkout back."""
    return StartRefund(
        event_id=new_id(),
        trace_parent="",
        checkout_id=CHECKOUT,
        request_id=request_id or new_id(),
    )


def top_up(
    *,
    amount_minor: int = 5000,
    card: CardMeans = CARD,
    card_named: bool = True,
    customer_id: UUID = SHOPPER,
) -> StartTopUp:
    """Give the command that puts money on the prepaid balance."""
    return StartTopUp(
        event_id=new_id(),
        trace_parent="",
        top_up_id=TOP_UP,
        customer_id=customer_id,
        amount_minor=amount_minor,
        currency_code="EUR",
        card=card,
        card_named=card_named,
    )


def sent_since(world: World, length: int) -> list[tuple[LegOperation, int, UUID]]:
    """Give what was written down as about to be sent since the journal had some length."""
    return [
        (fact.operation, fact.try_number, fact.leg_id)
        for fact in world.journal[length:]
        if isinstance(fact, LegSent)
    ]


def facts_since(world: World, length: int) -> list[type[Event]]:
    """Give the kinds of the facts since the journal had some length."""
    return [type(fact) for fact in world.journal[length:]]
