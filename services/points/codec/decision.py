"""Decisions: how they are kept, and how they are told to people."""

from typing import Final

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_pb2 as pb
from services.common.kernel.clock import RESOLUTION, business_date
from services.common.kernel.errors import DomainError, InvalidArgument
from services.points.codec.ticket import render_key
from services.points.codec.time import parse_time, render_time
from services.points.domain.award import Award, TicketDecision
from services.points.domain.recording import RecordedOtherwise, RecordOutcome, RecordStatus
from services.points.domain.ticket import TicketKey

_MINOR_PER_EURO: Final = 100

_STATUSES: Final = {
    RecordStatus.RECORDED: pb.TICKET_STATUS_RECORDED,
    RecordStatus.CONFLICT: pb.TICKET_STATUS_CONFLICT,
}

_NOTHING_COUNTS: Final = "No rule counts any line of the ticket, so it earns nothing."

_NO_LOYALTY: Final = {
    pb.LOYALTY_STATE_ANONYMOUS: "The ticket names no card and no member, so it earns nothing.",
    pb.LOYALTY_STATE_UNKNOWN_CARD: "No member has the card, so the ticket earns nothing.",
    pb.LOYALTY_STATE_UNKNOWN_MEMBER: "The member does not exist, so the ticket earns nothing.",
    pb.LOYALTY_STATE_NO_PROGRAMME: "No programme was in force at the time of the ticket.",
    pb.LOYALTY_STATE_AWAITING_CHECKOUT: "What the ticket earns is decided when its checkout is settled.",
    pb.LOYALTY_STATE_RECORDED_OTHERWISE: (
        "The ticket was recorded before as another sale, which decided what is earned."
    ),
}


def keep_decision(decision: TicketDecision) -> bytes:
    """Give the canonical bytes under which a decision is kept."""
    return render_decision(decision).SerializeToString(deterministic=True)


def render_decision(decision: TicketDecision) -> pb.TicketDecision:
    """Give the message of a decision."""
    awards = [
        _render_award(award, lot_id=str(lot_id) if lot_id else "")
        for award, lot_id in zip(decision.awards, decision.lot_ids, strict=True)
    ]
    return pb.TicketDecision(
        state=pb.LoyaltyState.ValueType(decision.state),
        member_id=str(decision.member_id) if decision.member_id else "",
        awards=awards,
        balances=[
            pb.CurrencyBalance(
                currency=money_pb2.LoyaltyCurrency.ValueType(balance.currency),
                available=balance.available,
                held=balance.held,
            )
            for balance in decision.balances
        ],
    )


def render_outcome(key: TicketKey, outcome: RecordOutcome) -> pb.TicketOutcome:
    """Give the answer to a ticket, with its reasons in sentences."""
    message = pb.TicketOutcome(
        key=render_key(key), status=_STATUSES[outcome.status], replayed=outcome.replayed
    )
    message.decision.MergeFromString(outcome.decision)  # In its place at once: no copy.
    if outcome.recorded is not None:
        message.reasons.append(_explain_conflict(outcome.recorded))
    message.reasons.extend(explain(message.decision))
    return message


def render_training(key: TicketKey) -> pb.TicketOutcome:
    """Give the answer to a training ticket."""
    return pb.TicketOutcome(
        key=render_key(key),
        status=pb.TICKET_STATUS_TRAINING,
        reasons=["A training ticket is acknowledged and never written."],
    )


def render_refusal(key: pb.TicketKey, refusal: DomainError) -> pb.TicketOutcome:
    """Give the answer to one refused ticket of a batch."""
    violations = refusal.violations if isinstance(refusal, InvalidArgument) else ()
    return pb.TicketOutcome(
        key=key,
        status=pb.TICKET_STATUS_REFUSED,
        refusal=pb.TicketRefusal(
            reason=refusal.reason,
            message=str(refusal),
            violations=[
                pb.TicketViolation(field=field, description=description)
                for field, description in violations
            ],
        ),
    )


def explain(decision: pb.TicketDecision) -> list[str]:
    """Say why a ticket earned what it earned, one sentence for each rule that counted anything of it."""
    if decision.state != pb.LOYALTY_STATE_EARNED:
        return [_NO_LOYALTY[decision.state]]
    counted = [award for award in decision.awards if award.base_minor]
    return [_explain_award(award) for award in counted] or [_NOTHING_COUNTS]


def _explain_conflict(recorded: RecordedOtherwise) -> str:
    paid = f"of checkout {recorded.checkout_id}" if recorded.checkout_id else "of no checkout"
    return (
        f"Another content is recorded under this key: a ticket {paid}, {_euros(recorded.total_minor)}"
        " in total. What follows is its decision; this content is kept beside it and earns nothing."
    )


def _explain_award(award: pb.Award) -> str:
    base = _euros(award.base_minor)
    rule = f"rule {award.rule_id} of {award.programme_id}, version {award.programme_version}"
    if award.currency == money_pb2.LOYALTY_CURRENCY_POINTS:
        amount = f"{award.quantity} points"
    else:
        amount = f"{_euros(award.quantity)} of kitty"
    if not award.quantity:
        return f"{amount} on {base} by {rule}."
    last_day = business_date(parse_time(award.expire_time, "expire_time") - RESOLUTION)
    return f"{amount} on {base} by {rule}; usable until {last_day.isoformat()}."


def _euros(minor: int) -> str:
    return f"{minor // _MINOR_PER_EURO}.{minor % _MINOR_PER_EURO:02} EUR"


def _render_award(award: Award, *, lot_id: str) -> pb.Award:
    return pb.Award(
        programme_id=award.programme_id,
        programme_version=award.programme_version,
        rule_id=award.rule_id,
        currency=money_pb2.LoyaltyCurrency.ValueType(award.currency),
        quantity=award.quantity,
        base_minor=award.base_minor,
        expire_time=render_time(award.expire_time),
        lot_id=lot_id,
        shares=[
            pb.LineShare(line_number=number, base_minor=base_minor, quantity=quantity)
            for number, base_minor, quantity in award.shares
        ],
    )
