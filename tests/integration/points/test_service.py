"""The points service as a process, asked over gRPC by every kind of caller it has."""

from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from uuid import UUID, uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from cagnotte.points.v1 import points_service_pb2_grpc
from deploy.programmes import load_publish_request, read_programme
from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import CallerKind
from services.common.runtime.grpc_client import parse_error
from tests.integration.points.conftest import START, Channels

CARD = "2990000001234"

Stub: TypeAlias = "points_service_pb2_grpc.PointsServiceAsyncStub"


def stub(channels: Channels, kind: CallerKind, subject: str = "test") -> Stub:
    """Give a client of the service."""
    return points_service_pb2_grpc.PointsServiceStub(channels(kind, subject))


def timestamp(instant: datetime) -> Timestamp:
    """Give the message of an instant."""
    message = Timestamp()
    message.FromDatetime(instant)
    return message


def ticket_request(
    sequence: int, *, sales: int = 4999, card: str = CARD
) -> rpc.RecordTicketRequest:
    """Give a ticket with one private and one national line of equal parts."""
    private = sales // 2
    lines = [
        pb.TicketLine(
            line_number=number,
            product_id=f"10{number}",
            department="GROCERY",
            brand=brand,
            quantity_milli=1000,
            sales_minor=amount,
            vat_rate_bp=550,
        )
        for number, brand, amount in ((1, "Private", private), (2, "National", sales - private))
    ]
    ticket = pb.Ticket(
        key=pb.TicketKey(
            store_id="0330",
            business_date="2017-01-05",
            till_id="07",
            sequence=sequence,
            kind=pb.TICKET_KIND_SALE,
        ),
        occur_time=timestamp(START - timedelta(minutes=1)),
        card_number=card,
        channel=pb.CHANNEL_STORE,
        currency_code="EUR",
        lines=lines,
        tenders=[pb.Tender(kind=pb.TENDER_KIND_CARD, amount_minor=sales)],
        total_minor=sales,
    )
    return rpc.RecordTicketRequest(request_id=str(new_uuid7()), ticket=ticket)


async def enrol(service: Stub, *, customer_id: UUID | None = None) -> str:
    """Create the member who has the card."""
    member_id = str(new_uuid7())
    answer = await service.EnrolMembers(
        rpc.EnrolMembersRequest(
            members=[
                rpc.NewMember(
                    member_id=member_id,
                    customer_id=str(customer_id) if customer_id else "",
                    card_numbers=[CARD],
                )
            ]
        )
    )
    assert answer.outcomes[0].status == rpc.ENROLMENT_STATUS_ENROLLED
    return member_id


class TestPointsService:
    async def test_credits_a_ticket_and_lets_its_value_be_spent(self, channels: Channels) -> None:
        """From publishing to spending, every step answers what it did."""
        operator = stub(channels, CallerKind.OPERATOR)
        service = stub(channels, CallerKind.SERVICE)
        till = stub(channels, CallerKind.TILL, "0330/07")
        customer_id = uuid4()
        shopper = stub(channels, CallerKind.SHOPPER, str(customer_id))
        await operator.PublishProgramme(load_publish_request(read_programme("demo")))
        member_id = await enrol(service, customer_id=customer_id)

        recorded = (await till.RecordTicket(ticket_request(1))).outcome
        hold_id = str(new_uuid7())
        hold = await service.HoldValue(
            rpc.HoldValueRequest(
                hold_id=hold_id,
                customer_id=str(customer_id),
                currency=money_pb2.LOYALTY_CURRENCY_POINTS,
                quantity=30,
                expire_time=timestamp(START + timedelta(minutes=15)),
            )
        )
        spent = await service.SpendHold(rpc.SpendHoldRequest(hold_id=hold_id, quantity=20))
        balances = await shopper.GetBalances(rpc.GetBalancesRequest(customer_id=str(customer_id)))

        assert recorded.status == pb.TICKET_STATUS_RECORDED
        assert [award.quantity for award in recorded.decision.awards] == [49, 125]
        assert recorded.reasons[0].startswith("49 points on 49.99 EUR by rule points of demo")
        assert hold.hold.state == pb.HOLD_STATE_OPEN
        assert (spent.hold.state, spent.hold.spent_quantity) == (pb.HOLD_STATE_SPENT, 20)
        assert balances.member_id == member_id
        assert [(b.available, b.held) for b in balances.balances] == [(29, 0), (125, 0)]
        last = balances.balances[0].next_expiration.expire_time.ToDatetime(UTC)
        assert last == datetime(2017, 7, 31, 22, tzinfo=UTC)

    async def test_answers_each_ticket_of_a_queue(self, channels: Channels) -> None:
        """Malformed, wrong, repeated and dangerous tickets disturb none of the others."""
        till = stub(channels, CallerKind.TILL, "0330/07")
        first, wrong, malformed = ticket_request(1), ticket_request(2), ticket_request(3)
        wrong.ticket.total_minor += 1
        malformed.ticket.key.store_id = "?"
        changed = ticket_request(1, sales=5000)
        training = ticket_request(5)
        training.ticket.key.kind = pb.TICKET_KIND_TRAINING
        card_in_text = ticket_request(6)
        card_in_text.ticket.lines[0].department = "4111 1111 1111 1111"
        control_in_text = ticket_request(7)
        control_in_text.ticket.lines[1].brand = "Nat\x00ional"
        last = ticket_request(4)
        queue = [first, wrong, malformed, first, changed, training]
        queue += [card_in_text, control_in_text, last]

        answer = await till.RecordTickets(rpc.RecordTicketsRequest(tickets=queue))

        assert [outcome.status for outcome in answer.outcomes] == [
            pb.TICKET_STATUS_RECORDED,
            pb.TICKET_STATUS_REFUSED,
            pb.TICKET_STATUS_REFUSED,
            pb.TICKET_STATUS_RECORDED,
            pb.TICKET_STATUS_CONFLICT,
            pb.TICKET_STATUS_TRAINING,
            pb.TICKET_STATUS_REFUSED,
            pb.TICKET_STATUS_REFUSED,
            pb.TICKET_STATUS_RECORDED,
        ]
        assert [outcome.replayed for outcome in answer.outcomes].index(True) == 3
        assert answer.outcomes[1].refusal.reason == "TICKET_TOTALS_DIFFER"
        assert answer.outcomes[2].refusal.reason == "FIELD_INVALID"
        assert answer.outcomes[6].refusal.reason == "PAN_REFUSED"
        assert [v.field for v in answer.outcomes[7].refusal.violations] == ["ticket.lines[1].brand"]

    async def test_keeps_both_contents_of_a_conflict(self, channels: Channels) -> None:
        """The first content stays the ticket, the other is kept beside it, once."""
        till = stub(channels, CallerKind.TILL, "0330/07")
        first, other = ticket_request(1), ticket_request(1, sales=5000)
        answers = [(await till.RecordTicket(each)).outcome for each in (first, other, other)]

        kept = await till.GetTicket(rpc.GetTicketRequest(key=first.ticket.key))

        euros = f"{first.ticket.total_minor // 100}.{first.ticket.total_minor % 100:02} EUR"
        told = f"Another content is recorded under this key: a ticket of no checkout, {euros}"
        assert [answer.reasons[0].startswith(told) for answer in answers] == [False, True, True]
        assert answers[1].reasons[1:] == answers[0].reasons == kept.outcome.reasons
        assert kept.ticket == first.ticket
        assert [conflict.ticket for conflict in kept.conflicts] == [other.ticket]

    async def test_refuses_a_till_with_a_wrong_clock(self, channels: Channels) -> None:
        """A ticket from tomorrow is refused with the range, and nothing is written."""
        till = stub(channels, CallerKind.TILL, "0330/07")
        request = ticket_request(1)
        request.ticket.occur_time.CopyFrom(timestamp(START + timedelta(days=1)))

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await till.RecordTicket(request)
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await till.GetTicket(rpc.GetTicketRequest(key=request.ticket.key))

        assert parse_error(refused.value).reason == "TICKET_TIME_OUT_OF_RANGE"
        assert parse_error(missing.value).reason == "TICKET_NOT_FOUND"

    async def test_refuses_a_ticket_of_an_amount_that_nobody_pays(self, channels: Channels) -> None:
        """Alone or in a queue: nothing is credited or written, and its neighbours in the queue are."""
        operator = stub(channels, CallerKind.OPERATOR)
        await operator.PublishProgramme(load_publish_request(read_programme("demo")))
        await enrol(stub(channels, CallerKind.SERVICE))
        till = stub(channels, CallerKind.TILL, "0330/07")
        most, above = ticket_request(1, sales=99_999_999), ticket_request(2, sales=100_000_000)

        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await till.RecordTicket(above)
        queue = await till.RecordTickets(rpc.RecordTicketsRequest(tickets=[above, most]))
        with pytest.raises(grpc.aio.AioRpcError) as missing:
            await till.GetTicket(rpc.GetTicketRequest(key=above.ticket.key))
        balances = await till.GetBalances(rpc.GetBalancesRequest(card_number=CARD))

        assert parse_error(refused.value).reason == "TICKET_AMOUNT_TOO_LARGE"
        assert [one.refusal.reason for one in queue.outcomes] == ["TICKET_AMOUNT_TOO_LARGE", ""]
        assert parse_error(missing.value).reason == "TICKET_NOT_FOUND"
        assert {balance.available for balance in balances.balances} == {999_999, 2_500_000}

    async def test_shows_shoppers_only_what_is_theirs(self, channels: Channels) -> None:
        """A shopper who names a stranger's card or member is refused, known or not."""
        service = stub(channels, CallerKind.SERVICE)
        shopper = stub(channels, CallerKind.SHOPPER, str(uuid4()))
        member_id = await enrol(service, customer_id=uuid4())
        requests = [
            rpc.GetBalancesRequest(card_number=CARD),
            rpc.GetBalancesRequest(card_number="2990000009999"),
            rpc.GetBalancesRequest(member_id=member_id),
            rpc.GetBalancesRequest(customer_id=str(uuid4())),
        ]

        reasons = []
        for request in requests:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await shopper.GetBalances(request)
            reasons.append(parse_error(refused.value).reason)

        assert reasons == ["CALLER_NOT_ALLOWED"] * 4

    async def test_proves_its_journal_and_totals(self, channels: Channels) -> None:
        """Totals add up and the chain holds after work of several kinds."""
        operator = stub(channels, CallerKind.OPERATOR)
        await operator.PublishProgramme(load_publish_request(read_programme("demo")))
        await enrol(stub(channels, CallerKind.SERVICE))
        await stub(channels, CallerKind.TILL).RecordTicket(ticket_request(1))

        swept = await operator.ExpireValue(rpc.ExpireValueRequest())
        totals = await operator.GetLoyaltyTotals(rpc.GetLoyaltyTotalsRequest())
        proof = await operator.VerifyJournal(rpc.VerifyJournalRequest())

        assert (swept.expired_holds, swept.expired_lots) == (0, 0)
        assert [(t.issued, t.outstanding) for t in totals.totals] == [(49, 49), (125, 125)]
        assert {item.event_type: item.count for item in totals.fact_counts} == {
            "MEMBER_ENROLLED": 1,
            "PROGRAMME_PUBLISHED": 1,
            "TICKET_RECORDED": 1,
            "VALUE_EARNED": 1,
        }
        assert (proof.ok, proof.fact_count, totals.journal_seq) == (True, 4, 4)
