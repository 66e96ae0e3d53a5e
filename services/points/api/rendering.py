"""Answers that are put together from what several rooms know."""

from collections.abc import Sequence
from uuid import UUID

from cagnotte.points.v1 import events_pb2, points_pb2
from cagnotte.points.v1 import points_service_pb2 as pb
from services.common.kernel.errors import DomainError
from services.common.runtime.journal import ChainReport
from services.points.codec.decision import render_outcome, render_refusal, render_training
from services.points.codec.settlement import render_reversal, render_settlement
from services.points.codec.time import render_time
from services.points.codec.value import render_balance, render_currency
from services.points.domain.command import RecordTicket
from services.points.domain.recording import RecordOutcome, RecordStatus
from services.points.domain.ticket import TicketKey
from services.points.store.holders import MemberName
from services.points.store.reads import KeptTicket, Totals
from services.points.usecases.read import CurrencyPosition
from services.points.usecases.record_tickets import TicketAnswer

_EVENT_TYPE_PREFIX = "EVENT_TYPE_"


def parse_name(request: pb.GetMemberRequest | pb.GetBalancesRequest) -> MemberName:
    """Give how a valid request names its member."""
    return MemberName(
        member_id=UUID(request.member_id) if request.member_id else None,
        customer_id=UUID(request.customer_id) if request.customer_id else None,
        card_number=request.card_number or None,
    )


def render_answer(
    key: points_pb2.TicketKey, command: RecordTicket | DomainError, answer: TicketAnswer
) -> points_pb2.TicketOutcome:
    """Give the answer to one ticket of a queue."""
    if isinstance(answer, DomainError):
        return render_refusal(key, answer)
    assert isinstance(command, RecordTicket), "what was refused has a refusal as its answer"
    if answer is None:
        return render_training(command.ticket.key)
    return render_outcome(command.ticket.key, answer)


def render_ticket(key: TicketKey, kept: KeptTicket) -> pb.GetTicketResponse:
    """Give what is recorded under a key."""
    first = RecordOutcome(RecordStatus.RECORDED, replayed=True, decision=kept.decision)
    return pb.GetTicketResponse(
        ticket=points_pb2.Ticket.FromString(kept.content),
        outcome=render_outcome(key, first),
        record_time=render_time(kept.record_time),
        conflicts=[
            points_pb2.TicketConflict(
                ticket=points_pb2.Ticket.FromString(conflict.content),
                record_time=render_time(conflict.record_time),
            )
            for conflict in kept.conflicts
        ],
        settlement=None if kept.settlement is None else render_settlement(kept.settlement),
        reversal=None if kept.reversal is None else render_reversal(*kept.reversal),
    )


def render_balances(
    member_id: UUID, positions: Sequence[CurrencyPosition]
) -> pb.GetBalancesResponse:
    """Give the balances of a member."""
    return pb.GetBalancesResponse(
        member_id=str(member_id),
        balances=[
            render_balance(
                position.currency,
                available=position.available,
                held=position.held,
                ends=position.ends,
            )
            for position in positions
        ],
    )


def render_totals(totals: Totals, *, journal_seq: int) -> pb.GetLoyaltyTotalsResponse:
    """Give the totals of the service."""
    return pb.GetLoyaltyTotalsResponse(
        totals=[
            pb.LoyaltyTotal(
                currency=render_currency(total.currency),
                issued=total.issued,
                spent=total.spent,
                expired=total.expired,
                outstanding=total.outstanding,
                held=total.held,
                reversed=total.reversed,
                restored=total.restored,
                absorbed=total.absorbed,
            )
            for total in totals.currencies
        ],
        member_count=totals.members,
        ticket_count=totals.tickets,
        conflict_count=totals.conflicts,
        journal_seq=journal_seq,
        fact_counts=[
            pb.FactCount(
                event_type=events_pb2.EventType.Name(
                    events_pb2.EventType.ValueType(event_type)
                ).removeprefix(_EVENT_TYPE_PREFIX),
                count=count,
            )
            for event_type, count in totals.facts
        ],
    )


def render_chain(report: ChainReport, head_hash: bytes) -> pb.VerifyJournalResponse:
    """Give what the recomputation of the chain covered, and its first offender."""
    return pb.VerifyJournalResponse(
        ok=report.ok,
        fact_count=report.facts,
        block_count=report.blocks,
        head_hash=head_hash.hex(),
        detail=report.detail,
    )
