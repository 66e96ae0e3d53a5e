"""Tickets of members at random, out of as many as a stack has."""

import random
import time

from cagnotte.points.v1 import points_service_pb2 as pb
from services.bench.baskets import TicketMaker
from services.bench.size.fill_points import card_of


class SizedTickets:
    """Makes queues of tickets; those of another run have another till, so that none comes twice."""

    def __init__(self, members: int) -> None:
        """Take the number of members."""
        self._members = members
        self._till = f"r{int(time.time())}"
        self._maker = TicketMaker()
        self._random = random.Random(members)  # noqa: S311 -- any member will do

    def written_upload(self, tickets: int) -> bytes:
        """Make a queue's request as it goes over the wire."""
        return pb.RecordTicketsRequest(
            tickets=[self._ticket() for _ in range(tickets)]
        ).SerializeToString()

    def _ticket(self) -> pb.RecordTicketRequest:
        request = self._maker.ticket()
        request.ticket.key.till_id = self._till
        request.ticket.card_number = card_of(self._random.randrange(self._members))
        return request
