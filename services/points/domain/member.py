"""Decisions about members and their cards."""

from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.common.kernel.errors import FailedPrecondition, InvalidArgument, NotFound
from services.points.domain.batch import Batch
from services.points.domain.command import EnrolMember, IdentifyMember, LinkCard
from services.points.domain.event import CardLinked, MemberEnrolled, MemberIdentified, Stamp
from services.points.domain.state import MemberRow, enrolment_hash

CARDS_MAX: Final = 20
"""Cards of one member."""


class MemberNotFound(NotFound):
    """No such member, customer or card."""

    reason = "MEMBER_NOT_FOUND"


class MemberAlreadyIdentified(FailedPrecondition):
    """The member is known to be another customer."""

    reason = "MEMBER_ALREADY_IDENTIFIED"


class CustomerHasMember(FailedPrecondition):
    """The customer already has a member."""

    reason = "CUSTOMER_HAS_MEMBER"


class CardAlreadyLinked(FailedPrecondition):
    """The card leads to another member."""

    reason = "CARD_ALREADY_LINKED"


class TooManyCards(FailedPrecondition):
    """The member has as many cards as it may have."""

    reason = "TOO_MANY_CARDS"


class RequestIdReused(InvalidArgument):
    """The id was used before with other content; the first answer stands."""

    reason = "REQUEST_ID_REUSED"


class MemberOutcome(NamedTuple):
    """The member that a command made or changed, and whether an earlier one already had."""

    member_id: UUID
    replayed: bool


def decide_enrol(batch: Batch, command: EnrolMember, *, now: datetime) -> MemberOutcome:
    """Create a member, once.

    Raises:
        RequestIdReused: the id belongs to a member that was enrolled with other content.
        CustomerHasMember, CardAlreadyLinked: somebody else has the customer or a card.
    """
    rows = batch.rows
    known = rows.members.get(command.member_id)
    if known is not None:
        if known.enrolment_hash != enrolment_hash(command.customer_id, command.card_numbers):
            raise RequestIdReused(
                "The member was enrolled with other content.", member_id=command.member_id
            )
        return MemberOutcome(command.member_id, replayed=True)
    if command.customer_id in rows.customers:
        raise CustomerHasMember("The customer already has a member.")
    if any(card_number in rows.cards for card_number in command.card_numbers):
        raise CardAlreadyLinked("A card leads to another member.")
    batch.record(
        MemberEnrolled(
            stamp=Stamp(command.event_id, now, now, command.trace_parent),
            member_id=command.member_id,
            customer_id=command.customer_id,
            card_numbers=tuple(sorted(command.card_numbers)),
        )
    )
    return MemberOutcome(command.member_id, replayed=False)


def decide_identify(batch: Batch, command: IdentifyMember, *, now: datetime) -> MemberOutcome:
    """Tell which customer an anonymous member is, once.

    Raises:
        MemberNotFound: no such member.
        MemberAlreadyIdentified, CustomerHasMember: one of the two is taken.
    """
    member = _get_member(batch, command.member_id)
    if member.customer_id == command.customer_id:
        return MemberOutcome(command.member_id, replayed=True)
    if member.customer_id is not None:
        raise MemberAlreadyIdentified(
            "The member is another customer.", member_id=command.member_id
        )
    if command.customer_id in batch.rows.customers:
        raise CustomerHasMember("The customer already has a member.")
    stamp = Stamp(command.event_id, now, now, command.trace_parent)
    batch.record(MemberIdentified(stamp, command.member_id, command.customer_id))
    return MemberOutcome(command.member_id, replayed=False)


def decide_link(batch: Batch, command: LinkCard, *, now: datetime) -> MemberOutcome:
    """Link one more card to a member.

    Raises:
        MemberNotFound: no such member.
        CardAlreadyLinked: the card leads to another member.
        TooManyCards: the member has as many as it may have.
    """
    member = _get_member(batch, command.member_id)
    owner = batch.rows.cards.get(command.card_number)
    if owner == command.member_id:
        return MemberOutcome(command.member_id, replayed=True)
    if owner is not None:
        raise CardAlreadyLinked("The card leads to another member.")
    if member.card_count >= CARDS_MAX:
        raise TooManyCards("The member has as many cards as it may have.", cards_max=CARDS_MAX)
    stamp = Stamp(command.event_id, now, now, command.trace_parent)
    batch.record(CardLinked(stamp, command.member_id, command.card_number))
    return MemberOutcome(command.member_id, replayed=False)


def _get_member(batch: Batch, member_id: UUID) -> MemberRow:
    member = batch.rows.members.get(member_id)
    if member is None:
        raise MemberNotFound("No such member.", member_id=member_id)
    return member
