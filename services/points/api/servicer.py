"""The servicer of ``cagnotte.points.v1.PointsService``."""

from typing import Any, Final, TypeAlias

import grpc

from cagnotte.points.v1 import points_service_pb2 as pb
from cagnotte.points.v1 import points_service_pb2_grpc
from services.common.kernel.clock import Clock
from services.common.kernel.errors import DomainError
from services.common.kernel.ids import new_uuid7
from services.common.runtime.access import require_own_store
from services.common.runtime.identity import current_caller
from services.common.runtime.telemetry import current_traceparent
from services.common.runtime.validation import TextGuard, check_request
from services.points.api import rendering
from services.points.codec.decision import render_outcome, render_training
from services.points.codec.member import (
    parse_enrol,
    parse_identify,
    parse_link,
    render_enrolments,
    render_member,
)
from services.points.codec.programme import parse_publish, render_programme
from services.points.codec.ticket import parse_key, parse_record_ticket
from services.points.codec.value import (
    parse_hold,
    parse_release,
    parse_spend,
    render_hold,
    render_sweep,
)
from services.points.domain.command import RecordTicket
from services.points.domain.holding import HoldOutcome
from services.points.domain.member import MemberOutcome
from services.points.domain.publishing import PublishOutcome
from services.points.store.holders import MemberName
from services.points.usecases.execute import Queue, execute, execute_many
from services.points.usecases.expire_value import expire_value
from services.points.usecases.read import Reader
from services.points.usecases.record_tickets import record_ticket, record_tickets

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

_TICKET_GUARD: Final = TextGuard(pb.RecordTicketRequest.DESCRIPTOR)


class PointsServicer(points_service_pb2_grpc.PointsServiceServicer):
    """Translate; decide nothing."""

    def __init__(self, queue: Queue, reader: Reader, clock: Clock) -> None:
        """Take the queue of commands, the questions, and the clock."""
        self._queue = queue
        self._reader = reader
        self._clock = clock

    async def EnrolMembers(
        self, request: pb.EnrolMembersRequest, context: Context
    ) -> pb.EnrolMembersResponse:
        """Create members, each with its own outcome."""
        trace_parent = current_traceparent()
        commands = [
            parse_enrol(member, event_id=new_uuid7(), trace_parent=trace_parent)
            for member in request.members
        ]
        answers = await execute_many(self._queue, commands)
        outcomes = [answer for answer in answers if isinstance(answer, MemberOutcome | DomainError)]
        return render_enrolments(request.members, outcomes)

    async def IdentifyMember(
        self, request: pb.IdentifyMemberRequest, context: Context
    ) -> pb.IdentifyMemberResponse:
        """Tell which customer a member is."""
        command = parse_identify(request, event_id=new_uuid7(), trace_parent=current_traceparent())
        await execute(self._queue, command, MemberOutcome)
        view = await self._reader.member(
            MemberName(command.member_id, None, None), caller=current_caller()
        )
        return pb.IdentifyMemberResponse(member=render_member(*view))

    async def LinkCard(self, request: pb.LinkCardRequest, context: Context) -> pb.LinkCardResponse:
        """Link one more card to a member."""
        command = parse_link(request, event_id=new_uuid7(), trace_parent=current_traceparent())
        await execute(self._queue, command, MemberOutcome)
        view = await self._reader.member(
            MemberName(command.member_id, None, None), caller=current_caller()
        )
        return pb.LinkCardResponse(member=render_member(*view))

    async def GetMember(
        self, request: pb.GetMemberRequest, context: Context
    ) -> pb.GetMemberResponse:
        """Answer a member with its cards."""
        view = await self._reader.member(rendering.parse_name(request), caller=current_caller())
        return pb.GetMemberResponse(member=render_member(*view))

    async def PublishProgramme(
        self, request: pb.PublishProgrammeRequest, context: Context
    ) -> pb.PublishProgrammeResponse:
        """Make a programme version final."""
        command = parse_publish(
            request.programme, event_id=new_uuid7(), trace_parent=current_traceparent()
        )
        outcome = await execute(self._queue, command, PublishOutcome)
        return pb.PublishProgrammeResponse(
            programme=render_programme(outcome.programme), replayed=outcome.replayed
        )

    async def GetProgramme(
        self, request: pb.GetProgrammeRequest, context: Context
    ) -> pb.GetProgrammeResponse:
        """Answer a published version, or the one in force."""
        programme = await self._reader.programme(
            request.programme_id, request.version, now=self._clock()
        )
        return pb.GetProgrammeResponse(programme=render_programme(programme))

    async def RecordTicket(
        self, request: pb.RecordTicketRequest, context: Context
    ) -> pb.RecordTicketResponse:
        """Record one ticket."""
        require_own_store(current_caller(), request.ticket.key.store_id)
        command = parse_record_ticket(
            request, event_id=new_uuid7(), trace_parent=current_traceparent()
        )
        outcome = await record_ticket(self._queue, command)
        key = command.ticket.key
        return pb.RecordTicketResponse(
            outcome=render_training(key) if outcome is None else render_outcome(key, outcome)
        )

    async def RecordTickets(
        self, request: pb.RecordTicketsRequest, context: Context
    ) -> pb.RecordTicketsResponse:
        """Record a queue of tickets, each with its own outcome."""
        trace_parent = current_traceparent()
        commands = [_parse_queued(item, trace_parent=trace_parent) for item in request.tickets]
        answers = await record_tickets(self._queue, commands)
        return pb.RecordTicketsResponse(
            outcomes=[
                rendering.render_answer(item.ticket.key, command, answer)
                for item, command, answer in zip(request.tickets, commands, answers, strict=True)
            ]
        )

    async def GetTicket(
        self, request: pb.GetTicketRequest, context: Context
    ) -> pb.GetTicketResponse:
        """Answer a recorded ticket by its key."""
        key = parse_key(request.key)
        return rendering.render_ticket(key, await self._reader.ticket(key))

    async def GetBalances(
        self, request: pb.GetBalancesRequest, context: Context
    ) -> pb.GetBalancesResponse:
        """Answer what a member has, and until when."""
        member_id, positions = await self._reader.balances(
            rendering.parse_name(request), caller=current_caller(), now=self._clock()
        )
        return rendering.render_balances(member_id, positions)

    async def HoldValue(
        self, request: pb.HoldValueRequest, context: Context
    ) -> pb.HoldValueResponse:
        """Reserve value of a member."""
        command = parse_hold(request, event_id=new_uuid7(), trace_parent=current_traceparent())
        outcome = await execute(self._queue, command, HoldOutcome)
        return pb.HoldValueResponse(hold=render_hold(outcome), replayed=outcome.replayed)

    async def SpendHold(
        self, request: pb.SpendHoldRequest, context: Context
    ) -> pb.SpendHoldResponse:
        """Spend a hold, whole or in part."""
        command = parse_spend(request, event_id=new_uuid7(), trace_parent=current_traceparent())
        outcome = await execute(self._queue, command, HoldOutcome)
        return pb.SpendHoldResponse(hold=render_hold(outcome), replayed=outcome.replayed)

    async def ReleaseHold(
        self, request: pb.ReleaseHoldRequest, context: Context
    ) -> pb.ReleaseHoldResponse:
        """Give a hold back."""
        command = parse_release(request, event_id=new_uuid7(), trace_parent=current_traceparent())
        outcome = await execute(self._queue, command, HoldOutcome)
        return pb.ReleaseHoldResponse(hold=render_hold(outcome), replayed=outcome.replayed)

    async def ExpireValue(
        self, request: pb.ExpireValueRequest, context: Context
    ) -> pb.ExpireValueResponse:
        """End what is over now."""
        outcome = await expire_value(self._queue)
        return render_sweep(outcome, now=self._clock())

    async def GetLoyaltyTotals(
        self, request: pb.GetLoyaltyTotalsRequest, context: Context
    ) -> pb.GetLoyaltyTotalsResponse:
        """Answer the position of each currency over all members."""
        totals, journal_seq = await self._reader.totals()
        return rendering.render_totals(totals, journal_seq=journal_seq)

    async def VerifyJournal(
        self, request: pb.VerifyJournalRequest, context: Context
    ) -> pb.VerifyJournalResponse:
        """Recompute the hash chain of the journal."""
        return rendering.render_chain(*await self._reader.verify_journal())


def _parse_queued(item: pb.RecordTicketRequest, *, trace_parent: str) -> RecordTicket | DomainError:
    """Give the command of one ticket of a queue, or why that ticket is refused."""
    try:
        check_request(item, _TICKET_GUARD)
        require_own_store(current_caller(), item.ticket.key.store_id)
        return parse_record_ticket(item, event_id=new_uuid7(), trace_parent=trace_parent)
    except DomainError as refusal:
        return refusal
