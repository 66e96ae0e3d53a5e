"""What is paid by phone is recorded: every ticket that the wallet opens, points records.

The till gets its receipt signed by points after the shopper has paid; a ticket that only points refuses is money taken
without a sale in the books.
"""

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from hypothesis import event, given
from hypothesis import strategies as st

from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2
from cagnotte.wallet.v1 import checkout_service_pb2
from services.common.kernel.errors import DomainError
from services.common.runtime.timestamps import render_time
from services.common.runtime.validation import TextGuard, check_request
from services.points.codec.ticket import parse_record_ticket
from services.points.domain import ticket as points_ticket
from services.wallet.codec.basket import parse_new_basket
from services.wallet.domain.basket import check_time
from tests.unit.wallet.codec.facts import NOON, TICKET

REQUEST_ID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"
LIMITS: Final = points_ticket.TicketLimits(timedelta(minutes=5), timedelta(days=35))
WALLET_DOOR: Final = TextGuard(checkout_service_pb2.OpenCheckoutRequest.DESCRIPTOR)
POINTS_DOOR: Final = TextGuard(points_service_pb2.RecordTicketRequest.DESCRIPTOR)
SECONDS: Final = st.one_of(
    st.integers(-86_400 * 3, 86_400 * 3).map(lambda off: int(NOON.timestamp()) + off),
    st.sampled_from([0, -1, 10**15, -(10**15), -62_135_596_801, 253_402_300_800]),
    st.integers(-(2**63), 2**63 - 1),
)
NANOS: Final = st.one_of(
    st.just(0),
    st.sampled_from([-5, -1, 999_999_999, 1_000_000_000, 1_000_000_007, 2**31 - 1, -(2**31)]),
    st.integers(-(2**31), 2**31 - 1),
)
DAYS: Final = st.sampled_from(
    ["2017-01-05", "2017-01-04", "2017-01-06", "2017-01-02", "2017-02-30", "0001-01-01", "x"]
)


CHANGES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "nanos": NANOS,
    "seconds": SECONDS,
    "business_date": DAYS,
    "gtin": st.sampled_from(["4006381333931", "4006381333932", "12"]),
    "line_number": st.sampled_from([7, 2, 0, -1]),
    "sales_minor": st.sampled_from([1_199, 0, -1_200, 2**62]),
    "supplier_coupon_minor": st.sampled_from([50, 5_000, -1]),
    "vat_rate_bp": st.sampled_from([2_000, 0, 1_234]),
    "kind": st.sampled_from([pb.TENDER_KIND_CASH, pb.TENDER_KIND_CARD]),
    "amount_minor": st.sampled_from([0, 1_899, -1_900]),
    "total_minor": st.sampled_from([800, 1_999]),
}
"""What may be wrong in a ticket, or right in another way."""


@st.composite
def tickets(draw: st.DrawFn) -> pb.Ticket:
    """Draw a ticket about now that differs from a good one in up to two things."""
    ticket = pb.Ticket()
    ticket.CopyFrom(TICKET)
    ticket.occur_time.CopyFrom(render_time(NOON))
    places: tuple[Any, ...] = (
        ticket,
        ticket.key,
        ticket.occur_time,
        ticket.lines[0],
        ticket.tenders[1],
    )
    for name in draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=2, unique=True)):
        place = next(
            each
            for each in places
            if name in each.DESCRIPTOR.fields_by_name and (name != "kind" or each is places[-1])
        )
        setattr(place, name, draw(CHANGES[name]))
    return ticket


def wallet_opens(ticket: pb.Ticket, *, now: datetime) -> bool:
    """Tell whether the wallet would open a checkout for it."""
    request = checkout_service_pb2.OpenCheckoutRequest(ticket=ticket)
    try:
        check_request(request, WALLET_DOOR)
        check_time(parse_new_basket(request.ticket), now=now)
    except DomainError:
        return False
    return True


def points_records(ticket: pb.Ticket, *, now: datetime) -> None:
    """Check the ticket as points does; whatever it refuses, it raises."""
    request = points_service_pb2.RecordTicketRequest(request_id=REQUEST_ID, ticket=ticket)
    check_request(request, POINTS_DOOR)
    parsed = parse_record_ticket(request, event_id=UUID(int=1), trace_parent="").ticket
    points_ticket.check_ticket(parsed)
    points_ticket.check_time(parsed, LIMITS, now=now)


@given(tickets())
def test_every_ticket_that_the_wallet_opens_points_records(ticket: pb.Ticket) -> None:
    """Whatever the till sends: it is refused before anybody pays, or recorded after."""
    opens = wallet_opens(ticket, now=NOON)

    event(f"opens: {opens}")
    if opens:
        points_records(ticket, now=NOON)


@given(st.integers(-600, 600), NANOS)
def test_also_at_the_edges_of_an_instant(off: int, nanos: int) -> None:
    """A good ticket about now, with any nanos."""
    ticket = pb.Ticket()
    ticket.CopyFrom(TICKET)
    ticket.occur_time.CopyFrom(render_time(NOON + timedelta(seconds=off)))
    ticket.occur_time.nanos = nanos

    if wallet_opens(ticket, now=NOON):
        points_records(ticket, now=NOON)


def test_the_ticket_of_these_properties_is_opened() -> None:
    """They would say nothing of a ticket that nobody opens."""
    ticket = pb.Ticket()
    ticket.CopyFrom(TICKET)
    ticket.occur_time.CopyFrom(render_time(NOON))

    assert wallet_opens(ticket, now=NOON)
    points_records(ticket, now=NOON)
