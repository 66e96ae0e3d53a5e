"""The facts of a payment or a shopper folded again, and every command decided again.

Each command is made once more from its own facts and decided by the wallet's own rules over what
the facts before it left: its facts, and all that follows from them by the saga, must come out byte
by byte.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from google.protobuf.message import DecodeError

from cagnotte.wallet.v1 import events_pb2 as pb
from services.auditor.wallet_commands import command_of
from services.common.kernel.errors import DomainError
from services.common.kernel.ids import DERIVED_IDS_MAX, derive_id
from services.wallet.codec.event import render_event
from services.wallet.codec.journal import parse_event
from services.wallet.domain import event as events
from services.wallet.domain.batch import Batch
from services.wallet.domain.decide import decide
from services.wallet.domain.leg import Leg
from services.wallet.domain.payment import Payment
from services.wallet.domain.shopper import Shopper
from services.wallet.store.projection import ReferenceRow, reference_row

UNREADABLE: Final = (DomainError, DecodeError, ValueError, KeyError, AssertionError)
"""What reading, folding or deciding a fact that was tampered with can raise."""


class FactRow(NamedTuple):
    """A fact as stored."""

    seq: int
    event_id: UUID
    event_type: int
    payload: bytes


class WalletFold:
    """Folds the facts of one subject; the offenders it yields are sentences."""

    def __init__(self, subject: UUID) -> None:
        """Start without any fact."""
        self._subject = subject
        self._batch = Batch()
        self.past_legs: list[Leg] = []
        """Legs of attempts before the last one."""
        self.hold_expire_times: dict[UUID, datetime] = {}
        """Until when the hold of a leg was asked for, by leg."""
        self.references: dict[str, ReferenceRow] = {}
        """What the provider's names stand for, by name."""
        self.ends: list[events.CheckoutSettled | events.CheckoutRefunded] = []
        """Facts that points has to follow, in their order."""

    @property
    def payment(self) -> Payment | None:
        """Give the payment, if the subject is one."""
        return self._batch.payments.get(self._subject)

    @property
    def shopper(self) -> Shopper | None:
        """Give the shopper, if the subject is one."""
        return self._batch.shoppers.get(self._subject)

    def fold(self, facts: Sequence[FactRow]) -> Iterator[str]:
        """Fold facts in their order."""
        place = 0
        while place < len(facts):
            fact = facts[place]
            before = self.payment, self.shopper
            try:
                made = self._decide(facts, place)
                rendered = [(event.stamp.event_id, *render_event(event)) for event in made]
            except UNREADABLE as error:
                self._go_back(*before)
                yield f"fact seq {fact.seq} is not decided again: {type(error).__name__}: {error}"
                yield from self._take(fact)
                place += 1
                continue
            if rendered and rendered == [row[1:] for row in facts[place : place + len(made)]]:
                self._note(made, before[0])
                place += len(made)
            else:
                self._go_back(*before)
                yield f"what the command of fact seq {fact.seq} causes is decided differently"
                yield from self._take(fact)
                place += 1

    def _decide(self, facts: Sequence[FactRow], place: int) -> list[events.Event]:
        """Run the wallet's own decision on the command whose facts begin here, and give its facts."""
        own = [*_own_facts(facts, place)]
        batch = self._batch
        batch.due_checkouts = [self._subject]
        decide(batch, command_of(own, self.payment), now=own[0].stamp.record_time)
        made = [*batch.events]
        batch.events.clear()
        return made

    def _take(self, fact: FactRow) -> Iterator[str]:
        """Fold a fact as it is, so that one offender does not make all after it offend."""
        before = self.payment
        try:
            event = parse_event(fact.event_type, fact.payload)
            self._batch.take(event)
        except UNREADABLE as error:
            yield f"fact seq {fact.seq} does not fold: {type(error).__name__}: {error}"
        else:
            self._note([event], before)

    def _note(self, made: Sequence[events.Event], before: Payment | None) -> None:
        """Keep what later comparisons need of facts that are folded in."""
        for event in made:
            match event:
                case events.PaymentStarted():
                    self.past_legs.extend(before.legs if before else ())
                    expire_time = event.hold_expire_time
                    self.hold_expire_times.update({leg.leg_id: expire_time for leg in event.legs})
                case events.CheckoutSettled() | events.CheckoutRefunded():
                    self.ends.append(event)
                case events.LegAnswered():
                    row = reference_row(event)
                    if row is not None:
                        self.references.setdefault(row.provider_reference, row)
                case _:
                    pass

    def _go_back(self, payment: Payment | None, shopper: Shopper | None) -> None:
        """Forget what a decision that differs has changed."""
        batch = self._batch
        batch.events.clear()
        batch.live_tickets.clear()
        for aggregates, before in ((batch.payments, payment), (batch.shoppers, shopper)):
            aggregates.pop(self._subject, None)
            if before is not None:
                aggregates[self._subject] = before  # type: ignore[assignment]  # each its own kind


def _own_facts(facts: Sequence[FactRow], place: int) -> Iterator[events.Event]:
    """Give the facts that a command said: one, or the answers of one call."""
    first = facts[place]
    yield parse_event(first.event_type, first.payload)
    if first.event_type != pb.EVENT_TYPE_LEG_ANSWERED:
        return
    following = facts[place + 1 : place + DERIVED_IDS_MAX]
    for number, fact in enumerate(following, 1):
        if fact.event_type != first.event_type or fact.event_id != derive_id(
            first.event_id, number
        ):
            return
        yield parse_event(fact.event_type, fact.payload)
