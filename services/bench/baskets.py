"""Real baskets as tickets of today: the same lines over and over, each time under new keys and for other members."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from cagnotte.points.v1 import points_service_pb2 as pb
from services.common.kernel.clock import business_date
from services.common.kernel.ids import new_uuid7
from services.simulator.baskets import installed_dataset, read_baskets
from services.simulator.tickets import TicketPrinter, card_number

BASKETS: Final = 6_000
"""Two weeks of the chain."""

MEMBER_SETS: Final = 8
"""So many members stand behind each household in turn: more members than one household's worth of lots."""

UPLOAD: Final = 500
"""Tickets of one offline queue."""

_MEMBERS: Final = uuid5(NAMESPACE_URL, "https://cagnotte.example/bench/members")
_SEQUENCES_PER_PASS: Final = 10_000
_ENROLMENT: Final = 1_000


class TicketMaker:
    """Makes requests from the baskets, in their order, without end."""

    def __init__(self, *, first_pass: int = 0) -> None:
        """Read the baskets; ``first_pass`` keeps the keys of two makers apart."""
        printer = TicketPrinter()
        self._households: list[int] = []
        self._printed: list[pb.RecordTicketRequest] = []
        for basket in read_baskets(installed_dataset(), limit=BASKETS):
            self._households.append(basket.household_id)
            self._printed.append(printer.print_ticket(basket))
        self._made = first_pass * len(self._printed)
        self._day = datetime.now(UTC) - timedelta(hours=1)

    @property
    def lines_mean(self) -> float:
        """Give the mean number of lines of a basket."""
        return sum(len(request.ticket.lines) for request in self._printed) / len(self._printed)

    def enrolments(self) -> Iterator[bytes]:
        """Give the requests that enroll every member."""
        members = [
            pb.NewMember(
                member_id=str(_member_id(household, members)),
                customer_id=str(uuid5(_MEMBERS, f"customer {household} {members}")),
                card_numbers=[f"{card_number(household)}{members:02d}"],
            )
            for members in range(MEMBER_SETS)
            for household in sorted(set(self._households))
        ]
        for start in range(0, len(members), _ENROLMENT):
            chunk = members[start : start + _ENROLMENT]
            yield pb.EnrolMembersRequest(members=chunk).SerializeToString()

    def ticket(self) -> pb.RecordTicketRequest:
        """Make the next ticket."""
        passes, place = divmod(self._made, len(self._printed))
        self._made += 1
        request = pb.RecordTicketRequest()
        request.CopyFrom(self._printed[place])
        request.request_id = str(new_uuid7())
        ticket = request.ticket
        # Sequences restart every day of the baskets, and all become tickets of one day: the place keeps them apart.
        ticket.key.sequence = 1 + passes * _SEQUENCES_PER_PASS + place
        ticket.key.business_date = business_date(self._day).isoformat()
        ticket.occur_time.FromDatetime(self._day)
        ticket.member_id = str(_member_id(self._households[place], passes % MEMBER_SETS))
        return request

    def written_ticket(self) -> bytes:
        """Make a ticket's request as it goes over the wire."""
        return self.ticket().SerializeToString()

    def written_upload(self) -> bytes:
        """Make an offline queue's request as it goes over the wire."""
        tickets: Sequence[pb.RecordTicketRequest] = [self.ticket() for _ in range(UPLOAD)]
        return pb.RecordTicketsRequest(tickets=tickets).SerializeToString()


def _member_id(household: int, members: int) -> UUID:
    return uuid5(_MEMBERS, f"{household} {members}")
