"""Takes in what became of checkouts: each settled or refunded one is one command of the queue."""

from collections.abc import Sequence
from typing import TypeAlias

import structlog

from services.common.kernel.errors import DomainError
from services.common.runtime.kafka_events import IncomingEvent
from services.points.codec.checkout import EventUnreadable, parse_checkout_event
from services.points.domain.command import ReverseCheckout, SettleCheckout
from services.points.domain.reversing import ReverseOutcome
from services.points.domain.settling import SettleOutcome
from services.points.usecases.execute import Queue, execute_many

CheckoutCommand: TypeAlias = SettleCheckout | ReverseCheckout
"""What a fact of the wallet causes here."""

log = structlog.get_logger(__name__)


class TakeInCheckouts:
    """The two halves of consuming: reading an event as a command, and deciding a batch of commands.

    Redelivery is harmless: a checkout is settled once and refunded once, whatever brings it again.
    """

    def __init__(self, queue: Queue) -> None:
        """Take the queue, where the commands meet those of the callers."""
        self._queue = queue

    def parse(self, event: IncomingEvent) -> CheckoutCommand | None:
        """Give the command that an event causes, or None when it causes nothing here.

        Raises:
            EventUnreadable: it cannot be read, or its headers name another event.
        """
        command = parse_checkout_event(event.type_name, event.payload)
        if command is not None and command.event_id != event.event_id:
            raise EventUnreadable("The event's id differs from that of its headers.")
        return command

    async def handle(self, commands: Sequence[CheckoutCommand]) -> None:
        """Decide commands in their order; return when all outcomes are durable.

        A full queue or a database that is away raises, and the consume loop brings the events again.

        Raises:
            DomainError: the first refusal; the loop then brings the events one by one, and the one
                at fault goes to the dead letters.
        """
        answers = await execute_many(self._queue, commands)
        for command, answer in zip(commands, answers, strict=True):
            if isinstance(answer, DomainError):
                raise answer
            assert isinstance(answer, SettleOutcome | ReverseOutcome), "an outcome is its command's"
            _report(command, answer)


def _report(command: CheckoutCommand, outcome: SettleOutcome | ReverseOutcome) -> None:
    """Tell what the retailer bears; the fact has it in detail."""
    short = (
        any(tender.shortfall for tender in outcome.tenders)
        if isinstance(outcome, SettleOutcome)
        else bool(outcome.shortfalls)
    )
    if short:
        log.warning(
            "points.value_missing",
            checkout_id=str(outcome.checkout_id),
            cause="refund" if isinstance(command, ReverseCheckout) else "settlement",
        )
