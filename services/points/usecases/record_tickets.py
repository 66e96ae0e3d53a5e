"""Record tickets: what is wrong with a ticket by itself is found before it queues."""

from collections.abc import Sequence
from typing import TypeAlias

from services.common.kernel.errors import DomainError
from services.points.domain.command import RecordTicket
from services.points.domain.recording import RecordOutcome
from services.points.domain.ticket import TicketKind, check_ticket
from services.points.usecases.execute import Queue, execute, execute_many

TicketAnswer: TypeAlias = RecordOutcome | DomainError | None
"""What one ticket hears; None acknowledges a training ticket, of which nothing is kept."""


async def record_ticket(queue: Queue, command: RecordTicket) -> RecordOutcome | None:
    """Record one ticket, or acknowledge a training ticket.

    Raises:
        DomainError: the ticket was refused and nothing is written.
    """
    if command.ticket.key.kind is TicketKind.TRAINING:
        return None
    check_ticket(command.ticket)
    return await execute(queue, command, RecordOutcome)


async def record_tickets(
    queue: Queue, commands: Sequence[RecordTicket | DomainError]
) -> list[TicketAnswer]:
    """Record a queue of tickets in their order; a refused one stands where its ticket stood."""
    answers: list[TicketAnswer] = [_answer_at_once(command) for command in commands]
    waiting = [
        (place, command)
        for place, command in enumerate(commands)
        if answers[place] is None
        and isinstance(command, RecordTicket)
        and command.ticket.key.kind is not TicketKind.TRAINING
    ]
    decided = await execute_many(queue, [command for _, command in waiting])
    for (place, _), answer in zip(waiting, decided, strict=True):
        assert isinstance(answer, RecordOutcome | DomainError), "a ticket's outcome is its own"
        answers[place] = answer
    return answers


def _answer_at_once(command: RecordTicket | DomainError) -> DomainError | None:
    """Give the refusal of what needs no state to be refused."""
    if isinstance(command, DomainError):
        return command
    if command.ticket.key.kind is TicketKind.TRAINING:
        return None
    try:
        check_ticket(command.ticket)
    except DomainError as refusal:
        return refusal
    return None
