"""Tickets at the door: what their proto takes and refuses, and what is kept of them."""

from uuid import UUID

import protovalidate
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from services.common.runtime.timestamps import TimestampInvalid
from services.common.runtime.validation import PanRefused, TextGuard, check_request
from services.points.codec.ticket import parse_content, parse_record_ticket, render_key
from services.points.domain.ticket import TicketInvalid

REQUEST = rpc.RecordTicketRequest(
    request_id="01890a5d-ac96-774b-bcce-b302099a8057",
    ticket=pb.Ticket(
        key=pb.TicketKey(
            store_id="0330",
            business_date="2017-01-05",
            till_id="07",
            sequence=12,
            kind=pb.TICKET_KIND_SALE,
        ),
        occur_time=Timestamp(seconds=1_483_617_600),
        card_number="2990000001234",
        channel=pb.CHANNEL_STORE,
        currency_code="EUR",
        lines=[pb.TicketLine(line_number=1, gtin="4006381333931", sales_minor=100)],
        tenders=[pb.Tender(kind=pb.TENDER_KIND_CASH, amount_minor=100)],
        total_minor=100,
    ),
)


def changed(**fields: object) -> rpc.RecordTicketRequest:
    """Give the request with other fields in its ticket."""
    request = rpc.RecordTicketRequest()
    request.CopyFrom(REQUEST)
    request.ticket.MergeFrom(pb.Ticket(**fields))  # type: ignore[arg-type]  # any field of a test
    return request


def accepts(request: rpc.RecordTicketRequest) -> bool:
    """Tell whether the rules of the proto let a request in."""
    return not protovalidate.collect_violations(request)


class TestProto:
    @pytest.mark.parametrize(
        "card_number", ["123456", "2990000001234", "9250000000000000017", "CA0000012345"]
    )
    def test_takes_loyalty_cards(self, card_number: str) -> None:
        """Short numbers, GS1's own range, the range from 9, and letters before digits."""
        assert accepts(changed(card_number=card_number))

    @pytest.mark.parametrize(
        "card_number",
        [
            "4111111111111111",
            "5555555555554444",
            "2223003122003222",
            "378282246310005",
            "6011111111111117",
            "30569309025904",
            "3530111333300000",
            "6759649826438453",
            "4222222222222",
        ],
    )
    def test_refuses_payment_cards_as_loyalty_cards(self, card_number: str) -> None:
        """No scheme's number has the form of a loyalty card, so none is ever kept as one."""
        assert not accepts(changed(card_number=card_number))

    @pytest.mark.parametrize(
        "key",
        [
            {"store_id": "../etc"},
            {"store_id": "0330\n"},
            {"business_date": "2017-13-01"},
            {"sequence": -1},
            {"till_id": "x" * 17},
        ],
    )
    def test_refuses_keys_of_another_form(self, key: dict[str, object]) -> None:
        """A key becomes the name of an account and of a row, so its form is strict."""
        assert not accepts(changed(key=pb.TicketKey(**key)))  # type: ignore[arg-type]  # any field

    @pytest.mark.parametrize(("vat_rate_bp", "taken"), [(550, True), (0, True), (1_234, False)])
    def test_takes_only_the_rates_of_the_chart(self, vat_rate_bp: int, taken: bool) -> None:
        """A sale at a rate that the books have no line for could be credited and never booked."""
        line = pb.TicketLine(line_number=2, vat_rate_bp=vat_rate_bp)

        assert accepts(changed(lines=[line])) is taken

    def test_refuses_a_card_number_as_an_article(self) -> None:
        """An article number is free text: what looks like a payment card is kept nowhere."""
        line = pb.TicketLine(line_number=2, product_id="4111111111111111")

        with pytest.raises(PanRefused):
            check_request(changed(lines=[line]), TextGuard(rpc.RecordTicketRequest.DESCRIPTOR))


class TestParseRecordTicket:
    def test_keeps_what_was_sent(self) -> None:
        """The kept content gives the same ticket again, whoever reads it."""
        command = parse_record_ticket(REQUEST, event_id=UUID(int=1), trace_parent="")

        assert pb.Ticket.FromString(command.content) == REQUEST.ticket
        assert parse_content(command.content) == command.ticket
        assert render_key(command.ticket.key) == REQUEST.ticket.key

    def test_hashes_the_ticket_and_not_the_attempt(self) -> None:
        """A repetition under another request id is the same ticket."""
        again = rpc.RecordTicketRequest(
            request_id="01890a5d-ac96-774b-bcce-b302099a8058", ticket=REQUEST.ticket
        )

        first, second = (
            parse_record_ticket(request, event_id=UUID(int=1), trace_parent="")
            for request in (REQUEST, again)
        )

        assert first.content_hash == second.content_hash

    def test_refuses_a_day_that_does_not_exist(self) -> None:
        """The form of a date is not yet a day of the calendar."""
        request = changed(key=pb.TicketKey(business_date="2017-02-30"))

        assert accepts(request)
        with pytest.raises(TicketInvalid):
            parse_record_ticket(request, event_id=UUID(int=1), trace_parent="")

    @pytest.mark.parametrize(
        ("seconds", "nanos"),
        [(1_483_617_600, 1_000_000_007), (1_483_617_600, -5), (10**15, 0), (-(10**15), 0)],
    )
    def test_refuses_a_time_that_is_none(self, seconds: int, nanos: int) -> None:
        """Tickets of a till's queue are checked one by one, this one too."""
        request = changed()
        request.ticket.occur_time.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))

        with pytest.raises(TimestampInvalid) as refusal:
            parse_record_ticket(request, event_id=UUID(int=1), trace_parent="")

        assert [field for field, _ in refusal.value.violations] == ["ticket.occur_time"]
