"""Members: messages to commands, and rows to messages."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as service_pb
from services.common.kernel.errors import DomainError
from services.points.codec.time import render_time
from services.points.domain.command import EnrolMember, IdentifyMember, LinkCard
from services.points.domain.member import MemberOutcome
from services.points.domain.state import MemberRow


def parse_enrol(message: service_pb.NewMember, *, event_id: UUID, trace_parent: str) -> EnrolMember:
    """Give the command of a valid message."""
    return EnrolMember(
        event_id=event_id,
        trace_parent=trace_parent,
        member_id=UUID(message.member_id),
        customer_id=UUID(message.customer_id) if message.customer_id else None,
        card_numbers=tuple(message.card_numbers),
    )


def parse_identify(
    request: service_pb.IdentifyMemberRequest, *, event_id: UUID, trace_parent: str
) -> IdentifyMember:
    """Give the command of a valid request."""
    return IdentifyMember(
        event_id, trace_parent, UUID(request.member_id), UUID(request.customer_id)
    )


def parse_link(
    request: service_pb.LinkCardRequest, *, event_id: UUID, trace_parent: str
) -> LinkCard:
    """Give the command of a valid request."""
    return LinkCard(event_id, trace_parent, UUID(request.member_id), request.card_number)


def render_enrolment(
    member_id: str, answer: MemberOutcome | DomainError
) -> service_pb.EnrolmentOutcome:
    """Give the answer to one member of an enrolment."""
    if isinstance(answer, DomainError):
        return service_pb.EnrolmentOutcome(
            member_id=member_id,
            status=service_pb.ENROLMENT_STATUS_REFUSED,
            reason=answer.reason,
            message=str(answer),
        )
    return service_pb.EnrolmentOutcome(
        member_id=member_id,
        status=service_pb.ENROLMENT_STATUS_ENROLLED,
        replayed=answer.replayed,
    )


def render_enrolments(
    members: Sequence[service_pb.NewMember], answers: Iterable[MemberOutcome | DomainError]
) -> service_pb.EnrolMembersResponse:
    """Give the answers to an enrolment, in the order of the request."""
    return service_pb.EnrolMembersResponse(
        outcomes=[
            render_enrolment(member.member_id, answer)
            for member, answer in zip(members, answers, strict=True)
        ]
    )


def render_member(member: MemberRow, card_numbers: Iterable[str]) -> pb.Member:
    """Give the message of a member."""
    return pb.Member(
        member_id=str(member.member_id),
        customer_id=str(member.customer_id) if member.customer_id else "",
        card_numbers=card_numbers,
        enrol_time=render_time(member.enrol_time),
    )
