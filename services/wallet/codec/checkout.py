"""Checkouts, top-ups and plans, as they are answered; and what is asked of them."""

from collections.abc import Iterable
from uuid import UUID

from cagnotte.wallet.v1 import wallet_pb2 as pb
from services.wallet.codec.basket import render_key
from services.wallet.codec.event import render_decline
from services.wallet.codec.time import render_time
from services.wallet.domain.checkout import Checkout
from services.wallet.domain.leg import Leg
from services.wallet.domain.planner import LineShare
from services.wallet.domain.tender import PlannedTender, TenderKind, TenderRequest
from services.wallet.domain.top_up import TopUp


def parse_tenders(messages: Iterable[pb.TenderRequest]) -> tuple[TenderRequest, ...]:
    """Give the tenders of a valid request, in their order."""
    return tuple(
        TenderRequest(
            kind=TenderKind(message.kind),
            amount_minor=message.amount_minor,
            payment_method_id=parse_optional(message.payment_method_id),
        )
        for message in messages
    )


def parse_optional(text: str) -> UUID | None:
    """Give an id, or None for an empty text."""
    return UUID(text) if text else None


def render_checkout(checkout: Checkout, *, for_staff: bool) -> pb.Checkout:
    """Give the message of a checkout; the provider's names are for our own people alone."""
    return pb.Checkout(
        checkout_id=str(checkout.checkout_id),
        version=checkout.version,
        state=pb.CheckoutState.ValueType(checkout.state),
        customer_id="" if checkout.customer_id is None else str(checkout.customer_id),
        ticket_key=render_key(checkout.basket.ticket_key),
        currency_code=checkout.currency_code,
        total_minor=checkout.basket.total_minor,
        due_minor=checkout.basket.due_minor,
        legs=[_render_leg(leg, for_staff=for_staff) for leg in checkout.legs],
        attempt=checkout.attempt,
        decline=render_decline(checkout.decline),
        outcome_unknown=checkout.outcome_unknown,
        expire_time=render_time(checkout.expire_time),
        settle_time=(None if checkout.settle_time is None else render_time(checkout.settle_time)),
    )


def render_top_up(top_up: TopUp, *, for_staff: bool) -> pb.TopUp:
    """Give the message of a top-up; the provider's names are for our own people alone."""
    return pb.TopUp(
        top_up_id=str(top_up.top_up_id),
        customer_id=str(top_up.customer_id),
        amount_minor=top_up.amount_minor,
        currency_code=top_up.currency_code,
        state=pb.TopUpState.ValueType(top_up.state),
        leg=_render_leg(top_up.leg, for_staff=for_staff),
        version=top_up.version,
    )


def render_tender(tender: PlannedTender) -> pb.PlannedTender:
    """Give the message of what a plan takes from one tender."""
    return pb.PlannedTender(
        kind=pb.TenderKind.ValueType(tender.kind),
        amount_minor=tender.amount_minor,
        quantity=tender.quantity,
        available_minor=tender.available_minor,
        payment_method_id="" if tender.card is None else str(tender.card.payment_method_id),
    )


def render_share(share: LineShare) -> pb.LineShare:
    """Give the message of what a line takes from a tender."""
    return pb.LineShare(
        line_number=share.line_number,
        kind=pb.TenderKind.ValueType(share.kind),
        amount_minor=share.amount_minor,
    )


def _render_leg(leg: Leg, *, for_staff: bool) -> pb.Leg:
    return pb.Leg(
        leg_id=str(leg.leg_id),
        kind=pb.TenderKind.ValueType(leg.kind),
        amount_minor=leg.amount_minor,
        quantity=leg.quantity,
        operation=pb.LegOperation.ValueType(leg.operation),
        phase=pb.LegPhase.ValueType(leg.phase),
        payment_method_id="" if leg.card is None else str(leg.card.payment_method_id),
        decline=render_decline(leg.decline),
        provider_reference=leg.provider_reference if for_staff else "",
    )
