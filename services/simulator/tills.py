"""The tills of the chain: those on the network, and those that queue and upload late.

An online till sends its tickets one by one, in their order, and lets phones pay in between; many tills send at once,
within a bound. Queues of tills that were offline are gathered by the chain's collector, which uploads
them in batches, shuffled, and then once more in another order.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, NamedTuple

from cagnotte.points.v1 import points_service_pb2 as pb
from services.simulator.figures import BasketFigures
from services.simulator.offline import OutagePlan
from services.simulator.outcomes import AnswerTally, refuse_other_answer
from services.simulator.progress import Progress
from services.simulator.sales import PhoneSale
from services.simulator.stack import Stack

UPLOAD_TICKETS_MAX: Final = 500
"""Tickets in one upload; the service takes up to 1,000."""


class Ticket(NamedTuple):
    """A ticket to send, with what it adds to the input, and how a phone pays it if one does."""

    store_id: int
    till_id: int
    request: pb.RecordTicketRequest
    figures: BasketFigures
    sale: PhoneSale | None = None


class OfflineQueues:
    """Tickets of tills without a network, by the day on which they can be uploaded."""

    def __init__(self) -> None:
        self._by_upload_date: dict[date, list[Ticket]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_upload_date.values()))

    def put(self, ticket: Ticket, *, upload_date: date) -> None:
        """Queue a ticket."""
        self._by_upload_date.setdefault(upload_date, []).append(ticket)

    def take_due(self, day: date) -> list[Ticket]:
        """Take out what can be uploaded by the day, in a fixed order."""
        due = sorted(date for date in self._by_upload_date if date <= day)
        return [ticket for date in due for ticket in self._by_upload_date.pop(date)]


@dataclass(frozen=True, slots=True, kw_only=True)
class TillNetwork:
    """Sends tickets and counts their answers."""

    stack: Stack
    plan: OutagePlan
    tally: AnswerTally
    progress: Progress
    concurrency: int
    sell_by_phone: Callable[[Ticket, PhoneSale], Awaitable[None]] | None = None

    async def send(self, tickets: Sequence[Ticket]) -> None:
        """Send a day's tickets of the online tills; each till in order, many at once.

        Raises the first ReplayError of a ticket; the others under way are given up.
        """
        queues: dict[tuple[int, int], list[Ticket]] = {}
        for ticket in tickets:
            queues.setdefault((ticket.store_id, ticket.till_id), []).append(ticket)
        waiting = iter(queues.values())

        async def serve_tills() -> None:
            for queue in waiting:
                for ticket in queue:
                    await self._serve(ticket)

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(min(self.concurrency, len(queues))):
                    tasks.create_task(serve_tills())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group

    async def upload(self, tickets: Sequence[Ticket], *, upload_date: date) -> None:
        """Upload queues shuffled, then once more in another order."""
        shuffled = self.plan.shuffled
        for batch in _batches(shuffled(tickets, upload_date=upload_date, attempt=1)):
            await self._upload_first(batch)
        for batch in _batches(shuffled(tickets, upload_date=upload_date, attempt=2)):
            await self._upload_again(batch)

    async def _serve(self, ticket: Ticket) -> None:
        if ticket.sale is None:
            await self._send_one(ticket)
        else:
            assert self.sell_by_phone is not None, "baskets are planned for phones that there are"
            await self.sell_by_phone(ticket, ticket.sale)
        self.progress.advance(1)

    async def _send_one(self, ticket: Ticket) -> None:
        answer = await self.stack.till.attempt(self.stack.points.RecordTicket, ticket.request)
        self.tally.add(ticket.figures, answer.response.outcome, attempts=answer.attempts)

    async def _upload_first(self, batch: Sequence[Ticket]) -> None:
        answer = await self.stack.till.attempt(self.stack.points.RecordTickets, _request(batch))
        for ticket, outcome in zip(batch, answer.response.outcomes, strict=True):
            self.tally.add(ticket.figures, outcome, attempts=answer.attempts)
        self.tally.offline += len(batch)
        self.progress.advance(len(batch))

    async def _upload_again(self, batch: Sequence[Ticket]) -> None:
        response = await self.stack.till.call(self.stack.points.RecordTickets, _request(batch))
        for outcome in response.outcomes:
            refuse_other_answer(outcome)


def _request(batch: Sequence[Ticket]) -> pb.RecordTicketsRequest:
    return pb.RecordTicketsRequest(tickets=[ticket.request for ticket in batch])


def _batches(tickets: Sequence[Ticket]) -> list[Sequence[Ticket]]:
    return [
        tickets[start : start + UPLOAD_TICKETS_MAX]
        for start in range(0, len(tickets), UPLOAD_TICKETS_MAX)
    ]
