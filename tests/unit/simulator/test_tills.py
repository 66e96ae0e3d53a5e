"""The tills: order, repetition, and what they make of an answer."""

import asyncio
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as service_pb
from services.simulator.calls import Identity, Patience
from services.simulator.errors import ServiceRefusedError
from services.simulator.figures import figures_of
from services.simulator.offline import OutagePlan
from services.simulator.outcomes import AnswerTally
from services.simulator.progress import Progress
from services.simulator.tickets import TicketPrinter, till_number
from services.simulator.tills import OfflineQueues, Ticket, TillNetwork
from tests.unit.simulator.made_baskets import basket


class PointsDouble:
    """A points service that knows what it was sent, and answers in its own time."""

    def __init__(self, status: pb.TicketStatus.ValueType = pb.TICKET_STATUS_RECORDED) -> None:
        self.keys: list[str] = []
        self.under_way = 0
        self.most_under_way = 0
        self._status = status

    async def RecordTicket(  # noqa: N802 -- the RPC's name
        self, request: service_pb.RecordTicketRequest, **_: Any
    ) -> service_pb.RecordTicketResponse:
        """Record one."""
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        return service_pb.RecordTicketResponse(outcome=self._outcome(request))

    async def RecordTickets(  # noqa: N802 -- the RPC's name
        self, request: service_pb.RecordTicketsRequest, **_: Any
    ) -> service_pb.RecordTicketsResponse:
        """Record many."""
        return service_pb.RecordTicketsResponse(
            outcomes=[self._outcome(each) for each in request.tickets]
        )

    def _outcome(self, request: service_pb.RecordTicketRequest) -> pb.TicketOutcome:
        key = request.ticket.key
        name = f"{key.till_id}/{key.sequence}"
        replayed = name in self.keys
        self.keys.append(name)
        return pb.TicketOutcome(key=key, status=self._status, replayed=replayed)


def network(double: PointsDouble, *, concurrency: int = 4) -> TillNetwork:
    """Connect tills to the double."""
    stack: Any = SimpleNamespace(points=double, till=Identity("token", patience=Patience()))
    return TillNetwork(
        stack=stack,
        plan=OutagePlan(seed=1, percent=20),
        tally=AnswerTally(),
        progress=Progress(Bars(console=Console(quiet=True))),
        concurrency=concurrency,
    )


def tickets(count: int) -> list[Ticket]:
    """Print tickets of one store and day."""
    printer = TicketPrinter()
    baskets = [basket(number) for number in range(count)]
    return [
        Ticket(330, till_number(each.basket_id), printer.print_ticket(each), figures_of(each))
        for each in baskets
    ]


class TestSend:
    async def test_keeps_the_order_of_each_till(self) -> None:
        """A till sends its next ticket when the last one is answered."""
        double = PointsDouble()

        await network(double).send(tickets(80))

        for till in {name.split("/")[0] for name in double.keys}:
            sent = [int(name.split("/")[1]) for name in double.keys if name.startswith(till)]
            assert sent == list(range(1, len(sent) + 1))

    async def test_bounds_what_is_under_way(self) -> None:
        """No more tickets wait for an answer than allowed."""
        double = PointsDouble()

        await network(double, concurrency=3).send(tickets(80))

        assert double.most_under_way == 3

    async def test_stops_at_a_ticket_that_is_not_recorded(self) -> None:
        """The replay sends valid tickets only: another answer is reported with the key."""
        double = PointsDouble(pb.TICKET_STATUS_CONFLICT)

        with pytest.raises(ServiceRefusedError, match="CONFLICT"):
            await network(double).send(tickets(1))


class TestUpload:
    async def test_sends_every_ticket_twice_and_counts_it_once(self) -> None:
        """The queue comes shuffled, then again in another order."""
        double = PointsDouble()
        tills = network(double)

        await tills.upload(tickets(700), upload_date=date(2017, 3, 5))

        first, second = double.keys[:700], double.keys[700:]
        assert sorted(first) == sorted(second)
        assert first != second
        assert tills.tally.sent.baskets == tills.tally.offline == 700

    async def test_knows_what_the_stack_already_had(self) -> None:
        """A ticket of an earlier replay is sent, but adds nothing to the books."""
        double = PointsDouble()
        await network(double).send(tickets(5))
        again = network(double)

        await again.send(tickets(5))

        assert (again.tally.sent.baskets, again.tally.fresh.baskets) == (5, 0)


class TestOfflineQueues:
    def test_gives_each_ticket_once_when_it_is_due(self) -> None:
        """A queue waits for its day and is then empty."""
        queues = OfflineQueues()
        early, late = tickets(2)
        queues.put(late, upload_date=date(2017, 3, 9))
        queues.put(early, upload_date=date(2017, 3, 5))

        assert queues.take_due(date(2017, 3, 4)) == []
        assert queues.take_due(date(2017, 3, 6)) == [early]
        assert len(queues) == 1
        assert queues.take_due(date.max) == [late]
