"""The facts of one subject folded again, and every ticket decided again.

A subject is a member, a ticket without one, or a programme's version. Its facts, in their order,
give all its rows. A ticket is more than folded: from the kept content and the programmes known
by then it is decided once more, and the facts and the decision must come out byte by byte. So are
the settlement of a checkout and its reversal.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

from google.protobuf.message import DecodeError

from cagnotte.points.v1 import events_pb2 as pb
from services.common.kernel.errors import DomainError
from services.points.codec.decision import keep_decision
from services.points.codec.event import render_event
from services.points.codec.journal import parse_event
from services.points.codec.settlement import keep_settlement
from services.points.codec.ticket import parse_content
from services.points.codec.time import parse_time
from services.points.domain.batch import Batch, PublishedProgramme
from services.points.domain.command import (
    RecordTicket,
    ReverseCheckout,
    SettleCheckout,
    TenderClaim,
)
from services.points.domain.event import (
    CardLinked,
    Event,
    MemberEnrolled,
    TicketConflicted,
    TicketRecorded,
    TicketSettled,
    ValueReversed,
)
from services.points.domain.recording import decide_ticket
from services.points.domain.reversing import REVERSED, decide_reverse
from services.points.domain.settling import caused_id, settle
from services.points.domain.ticket import TicketLimits

ANY_TIME: Final = TicketLimits(
    future_tolerance=timedelta(days=36_500),
    age_max=timedelta(days=36_500),
    total_minor_max=2**63 - 1,
)
"""A recorded ticket was in time, and not too large, by the settings of its day, which nobody has kept."""

UNREADABLE: Final = (DomainError, DecodeError, ValueError, KeyError, AssertionError)
"""What reading or folding a fact that was tampered with can raise."""


class FactRow(NamedTuple):
    """A fact as stored."""

    seq: int
    event_id: UUID
    event_type: int
    payload: bytes


class Kept(NamedTuple):
    """What a table keeps of a ticket beside its fact: both are hashed in the fact."""

    content: bytes
    decision: bytes


class KeptSettlement(NamedTuple):
    """What tables keep for a settlement: the ticket as it was settled, and how that was decided.

    ``first_checkout_id`` is the checkout of the content that was recorded first under the key.
    """

    first_checkout_id: UUID | None
    content: bytes | None
    settlement: bytes


class KeptRows(NamedTuple):
    """What the tables keep of a subject beside its facts.

    Tickets are by id, conflicts by id and content hash, settlements by checkout.
    """

    tickets: Mapping[UUID, Kept]
    conflicts: Mapping[tuple[UUID, bytes], bytes]
    settlements: Mapping[UUID, KeptSettlement]


class KnownProgramme(NamedTuple):
    """A published version and the number of its fact: tickets before it did not know it."""

    seq: int
    published: PublishedProgramme


class SubjectFold:
    """Folds one subject's facts; the offenders it yields are sentences."""

    def __init__(self, shard_id: int, programmes: Sequence[KnownProgramme]) -> None:
        """Start without any row; ``programmes`` are all versions of the subject's shard."""
        self.shard_id = shard_id
        self._programmes = programmes
        self._due: deque[tuple[int, bytes]] = deque()
        self.batch = Batch()
        self.tickets: list[TicketRecorded] = []
        self.conflicts: list[TicketConflicted] = []
        self.settlements: list[TicketSettled] = []
        self.reversals: list[ValueReversed] = []
        self.card_times: dict[str, datetime] = {}

    def fold(self, facts: Sequence[FactRow], kept: KeptRows) -> Iterator[str]:
        """Fold facts in their order."""
        for fact in facts:
            try:
                yield from self._apply(fact, kept)
            except UNREADABLE as error:
                yield f"fact seq {fact.seq} does not fold: {type(error).__name__}: {error}"
        for event_type, _ in self._due:
            yield f"a fact of type {event_type} that a ticket caused is missing"

    def _apply(self, fact: FactRow, kept: KeptRows) -> Iterator[str]:
        """Fold one fact: what a ticket caused is already applied and must only be there."""
        if self._due:
            if self._due.popleft() != (fact.event_type, fact.payload):
                yield f"fact seq {fact.seq} is not what its ticket caused"
            return
        match fact.event_type:
            case pb.EVENT_TYPE_TICKET_RECORDED:
                yield from self._decide_again(fact, kept.tickets)
            case pb.EVENT_TYPE_TICKET_CONFLICTED:
                yield from self._conflict_again(fact, kept.conflicts)
            case pb.EVENT_TYPE_TICKET_SETTLED:
                yield from self._settle_again(fact, kept.settlements)
            case pb.EVENT_TYPE_VALUE_REVERSED:
                yield from self._reverse_again(fact)
            case _:
                event = parse_event(fact.event_type, fact.payload)
                self._note_cards(event)
                self.batch.record(event)
                self.batch.events.clear()

    def _note_cards(self, event: Event) -> None:
        """Remember when each card was linked."""
        match event:
            case MemberEnrolled():
                for card_number in event.card_numbers:
                    self.card_times[card_number] = event.stamp.occur_time
            case CardLinked():
                self.card_times[event.card_number] = event.stamp.occur_time
            case _:
                pass

    def _decide_again(self, fact: FactRow, tickets: Mapping[UUID, Kept]) -> Iterator[str]:
        """Decide a ticket from its content; what it earned must be the subject's next fact."""
        message = pb.TicketRecorded.FromString(fact.payload)
        kept = tickets.get(UUID(message.ticket_id))
        if kept is None:
            self._take_as_recorded(fact)
            yield f"the ticket of fact seq {fact.seq} is not kept"
            return
        made = self._decide(fact, message, kept.content)
        rendered = [render_event(event) for event in made]
        ticket = made[0] if made else None
        if not isinstance(ticket, TicketRecorded) or rendered[0] != fact[-2:]:
            self._take_as_recorded(fact)
            yield f"the ticket of fact seq {fact.seq} is decided differently from its content"
            return
        self.tickets.append(ticket)
        self._due.extend(rendered[1:])
        # The fact holds the hash of the decision that was just made again.
        if self.batch.tickets[ticket.key].decision != kept.decision:
            yield f"the ticket of fact seq {fact.seq} keeps another decision"

    def _conflict_again(
        self, fact: FactRow, conflicts: Mapping[tuple[UUID, bytes], bytes]
    ) -> Iterator[str]:
        """Decide a conflict from the other content."""
        message = pb.TicketConflicted.FromString(fact.payload)
        self._take_as_recorded(fact)
        content = conflicts.get((UUID(message.ticket_id), message.other_content_hash))
        if content is None:
            yield f"the conflicting content of fact seq {fact.seq} is not kept"
            return
        made = self._decide(fact, message, content)
        if [render_event(event) for event in made] != [fact[-2:]]:
            yield f"the conflict of fact seq {fact.seq} is decided differently from its content"

    def _settle_again(
        self, fact: FactRow, settlements: Mapping[UUID, KeptSettlement]
    ) -> Iterator[str]:
        """Decide a settlement from its content; what it spent and earned must follow."""
        event = parse_event(fact.event_type, fact.payload)
        assert isinstance(event, TicketSettled), "the type says so"
        self.settlements.append(event)
        kept = settlements.get(event.checkout_id)
        if kept is None or kept.content is None:
            yield f"the settlement of fact seq {fact.seq} is not kept"
            return
        self.batch.programmes = self._known(before=fact.seq)
        settle(
            self.batch,
            _settling(event, kept.content),
            earns=kept.first_checkout_id == event.checkout_id,
            now=event.stamp.record_time,
            keep=keep_settlement,
        )
        content = self.batch.new_settlements[-1].content
        yield from self._expect(fact, self._made(), "settlement")
        if content != kept.settlement:
            yield f"the settlement of fact seq {fact.seq} is kept otherwise"

    def _reverse_again(self, fact: FactRow) -> Iterator[str]:
        """Decide a reversal from what the settlement left; what expired of it must follow."""
        event = parse_event(fact.event_type, fact.payload)
        assert isinstance(event, ValueReversed), "the type says so"
        self.reversals.append(event)
        command = ReverseCheckout(
            event_id=caused_id(event.stamp.event_id, REVERSED),
            trace_parent=event.stamp.trace_parent,
            occur_time=event.stamp.occur_time,
            checkout_id=event.checkout_id,
            refund_id=event.refund_id,
            key=event.key,
        )
        decide_reverse(self.batch, command, now=event.stamp.record_time)
        yield from self._expect(fact, self._made(), "reversal")

    def _expect(self, fact: FactRow, made: Sequence[Event], name: str) -> Iterator[str]:
        """Compare what was decided again with a fact, and await what follows from it."""
        rendered = [render_event(event) for event in made]
        if not rendered or rendered[0] != fact[-2:]:
            yield f"the {name} of fact seq {fact.seq} is decided differently"
            return
        self._due.extend(rendered[1:])

    def _take_as_recorded(self, fact: FactRow) -> None:
        """Expect the row that the fact asks for, whatever its content says."""
        event = parse_event(fact.event_type, fact.payload)
        if isinstance(event, TicketRecorded):
            self.tickets.append(event)
        elif isinstance(event, TicketConflicted):
            self.conflicts.append(event)

    def _decide(
        self, fact: FactRow, message: pb.TicketRecorded | pb.TicketConflicted, content: bytes
    ) -> list[Event]:
        """Run the service's own decision, and give the facts that it makes."""
        metadata = message.metadata
        command = RecordTicket(
            event_id=fact.event_id,
            trace_parent=metadata.trace_parent,
            request_id=UUID(message.request_id),
            ticket=parse_content(content),
            content=content,
            content_hash=sha256(content).digest(),
        )
        batch = self.batch
        batch.programmes = self._known(before=fact.seq)
        now = parse_time(metadata.record_time, "record_time")
        decide_ticket(batch, command, now=now, limits=ANY_TIME, keep=keep_decision)
        return self._made()

    def _made(self) -> list[Event]:
        """Give the facts that a decision made, and forget them."""
        batch = self.batch
        made = [*batch.events]
        batch.events.clear()
        batch.new_tickets.clear()
        batch.new_conflicts.clear()
        batch.new_settlements.clear()
        batch.new_reversals.clear()
        return made

    def _known(self, *, before: int) -> list[PublishedProgramme]:
        """Give the programmes that were published before a fact."""
        return [known.published for known in self._programmes if known.seq < before]


def _settling(event: TicketSettled, content: bytes) -> SettleCheckout:
    """Give the command that a settlement was, as its fact and the settled ticket tell."""
    return SettleCheckout(
        event_id=event.stamp.event_id,
        trace_parent=event.stamp.trace_parent,
        occur_time=event.stamp.occur_time,
        checkout_id=event.checkout_id,
        customer_id=event.customer_id,
        ticket=parse_content(content),
        content=content,
        content_hash=sha256(content).digest(),
        tenders=tuple(
            TenderClaim(tender.hold_id, tender.currency, tender.amount_minor, tender.quantity)
            for tender in event.tenders
        ),
    )
