"""What the tills were answered: which baskets are new to the stack, and what they earned."""

from collections import Counter
from dataclasses import dataclass, field

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_pb2 as pb
from services.simulator.errors import ServiceRefusedError
from services.simulator.figures import BasketFigures, InputTally


@dataclass(slots=True)
class AnswerTally:
    """Running sums over the answered tickets.

    ``sent`` counts every basket once; ``fresh`` only those that the stack did not have before
    this replay; ``sold`` those of the fresh ones with something to book; ``issued`` is what the
    answers of the fresh ones promised, by loyalty currency.
    """

    sent: InputTally = field(default_factory=InputTally)
    fresh: InputTally = field(default_factory=InputTally)
    sold: int = 0
    offline: int = 0
    issued: Counter[int] = field(default_factory=Counter)

    def add(self, figures: BasketFigures, outcome: pb.TicketOutcome, *, attempts: int) -> None:
        """Count the first answer that a ticket got; raise ServiceRefusedError unless recorded.

        A ticket that is known after a second attempt was recorded by the first one, whose
        answer was lost on the way.
        """
        refuse_unrecorded(outcome)
        self.sent.add(figures)
        if outcome.replayed and attempts == 1:
            return
        self.fresh.add(figures)
        self.sold += figures.sales_minor > 0
        for award in outcome.decision.awards:
            self.issued[award.currency] += award.quantity

    def add_paid_by_phone(self, figures: BasketFigures) -> None:
        """Count a basket that a checkout paid; what is new of it is counted by the phones."""
        self.sent.add(figures)

    @property
    def points_issued(self) -> int:
        """Give the points that the fresh tickets earned."""
        return self.issued[money_pb2.LOYALTY_CURRENCY_POINTS]

    @property
    def kitty_issued_minor(self) -> int:
        """Give the kitty cents that the fresh tickets earned."""
        return self.issued[money_pb2.LOYALTY_CURRENCY_KITTY]


def refuse_unrecorded(outcome: pb.TicketOutcome) -> None:
    """Raise ServiceRefusedError unless a ticket was recorded, now or before."""
    if outcome.status != pb.TICKET_STATUS_RECORDED:
        raise ServiceRefusedError(_describe(outcome))


def refuse_other_answer(outcome: pb.TicketOutcome) -> None:
    """Raise ServiceRefusedError unless a queue that is sent again is answered as known."""
    if outcome.status != pb.TICKET_STATUS_RECORDED or not outcome.replayed:
        raise ServiceRefusedError(_describe(outcome))


def _describe(outcome: pb.TicketOutcome) -> str:
    key = outcome.key
    name = f"{key.store_id}/{key.business_date}/{key.till_id}/{key.sequence}"
    status = pb.TicketStatus.Name(outcome.status)
    refusal = outcome.refusal
    if outcome.status == pb.TICKET_STATUS_CONFLICT:
        return (
            f"Ticket {name}: {status}. The stack has another sale under this number: run the same command again as "
            "before, with the same --phones, or take a fresh stack."
        )
    violations = "; ".join(f"{v.field}: {v.description}" for v in refusal.violations)
    return f"Ticket {name}: {status} {refusal.reason} {refusal.message} {violations}".rstrip()
