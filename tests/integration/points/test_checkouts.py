"""Facts of the wallet taken in on a real database: as events, in batches of any cut, and told."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from cagnotte.common.v1 import event_pb2
from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from cagnotte.wallet.v1 import events_pb2
from services.common.kernel.errors import DomainError
from services.common.kernel.ids import new_uuid7
from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.kafka_events import IncomingEvent
from services.points.api.rendering import render_ticket, render_totals
from services.points.codec.ticket import parse_key, parse_record_ticket
from services.points.codec.time import render_time
from services.points.domain.command import Command, EnrolMember, HoldValue, ReleaseHold
from services.points.domain.reversing import CheckoutNotSettled
from services.points.events.on_checkouts import TakeInCheckouts
from services.points.usecases.expire_value import expire_value
from tests.integration.points.conftest import START, Points
from tests.integration.points.test_commit_batch import publish, rows_of, run
from tests.properties.points.checkouts import CUSTOMERS, STRANGER, make_checkout
from tests.properties.points.world import MEMBERS, event_id, record

MEMBER, CUSTOMER = MEMBERS[0], CUSTOMERS[0]
KITTY, POINTS = LoyaltyCurrency.KITTY, LoyaltyCurrency.POINTS
CHECKOUT_TABLES = {
    "ticket_settlement": "checkout_id, ticket_id, member_id, event_id, content_hash",
    "ticket_reversal": "checkout_id, currency, member_id, event_id, restored, taken, shortfall",
    "ticket_conflict": "ticket_id, content_hash",
}


def members() -> list[Command]:
    """Give the commands that publish the programme and enroll members who are customers."""
    enrolments = (
        EnrolMember(event_id(900 + place), "", member_id, customer_id, ())
        for place, (member_id, customer_id) in enumerate(zip(MEMBERS, CUSTOMERS, strict=True))
    )
    return [publish(), *enrolments]


def phones() -> list[Command]:
    """Give a story of checkouts: paid in every way, late, doubled, in conflict, given back."""
    kitty = make_checkout(100, sales=(900, 4_000), occur_time=START, pays=(KITTY, 40))
    points = make_checkout(101, sales=(2_000, 500), occur_time=START, pays=(POINTS, 30))
    plain = make_checkout(102, sales=(700,), occur_time=START, customer_id=CUSTOMERS[1])
    strange = make_checkout(103, sales=(300,), occur_time=START, customer_id=STRANGER)
    missing = make_checkout(104, sales=(9_000,), occur_time=START, pays=(POINTS, 5_000))
    return [
        record(1, member_id=MEMBER, sales=(6_000, 9_000), occur_time=START - timedelta(days=1)),
        *kitty.paid(),
        kitty.till,
        points.till,
        *points.paid(),
        points.settle,
        points.refund,
        points.refund,
        plain.otherwise(),
        plain.settle,
        strange.settle,
        strange.till,
        strange.refund,
        missing.settle,
        missing.refund,
    ]


async def all_rows(points: Points) -> dict[str, Any]:
    """Read every state table, those of checkouts too."""
    async with points.db.connection() as conn:
        found = {
            table: [
                tuple(row)
                for row in await conn.fetch(f"SELECT {columns} FROM {table} ORDER BY {columns}")
            ]
            for table, columns in CHECKOUT_TABLES.items()
        }
    return await rows_of(points.db) | found


class TestBatches:
    async def test_of_one_command_each_end_as_one_of_all(
        self, points: Points, other_points: Points
    ) -> None:
        """One batch, or a batch for each command: the same rows, checkouts and refunds too."""
        await run(points, members())
        await run(other_points, members())

        answers = await run(points, phones())
        for command in phones():
            await run(other_points, [command])

        refusals = [answer for answer in answers if isinstance(answer, DomainError)]
        assert not refusals
        assert await all_rows(points) == await all_rows(other_points)

    async def test_delivered_again_write_nothing(self, points: Points) -> None:
        """All of it again, in later batches and much later, changes no row."""
        await run(points, members())
        await run(points, phones())
        before = await all_rows(points)
        points.clock.move_to(START + timedelta(days=5))

        for command in phones():
            await run(points, [command])

        assert await all_rows(points) == before

    async def test_give_a_refund_lots_that_are_used_up(self, points: Points) -> None:
        """Lots that were spent whole are found again by their ids, and those that expired end."""
        await run(points, members())
        await run(points, [record(1, member_id=MEMBER, sales=(6_000, 900), occur_time=START)])
        # 60.00 and 9.00 less a third earn 46 points.
        bought = make_checkout(100, sales=(900,), occur_time=START, pays=(POINTS, 46))
        await run(points, bought.paid())
        points.clock.move_to(START + timedelta(days=90))
        await expire_value(points.queue)

        await run(points, [bought.refund])
        totals, _ = await points.reader.totals()

        amounts = render_totals(totals, journal_seq=0).totals[0]
        assert (amounts.issued, amounts.spent, amounts.restored) == (51, 46, 46)
        assert (amounts.expired, amounts.outstanding, amounts.reversed) == (51, 0, 0)
        assert amounts.absorbed == 5


class TestTwoReturns:
    @pytest.mark.parametrize("earner_goes_back_first", [True, False])
    async def test_of_what_earned_and_of_what_was_paid_with_it_leave_nothing(
        self, points: Points, earner_goes_back_first: bool
    ) -> None:
        """Buy, pay the next basket with what was earned, bring both back: no value is left over, in either order."""
        await run(points, members())
        earner = make_checkout(100, sales=(6_000,), occur_time=START)
        await run(points, earner.paid())
        paid = make_checkout(101, sales=(90,), occur_time=START, pays=(POINTS, 40))
        await run(points, paid.paid())

        returns: list[Command] = [earner.refund, paid.refund]
        for refund in returns if earner_goes_back_first else returns[::-1]:
            await run(points, [refund])
        totals, _ = await points.reader.totals()

        amounts = render_totals(totals, journal_seq=0).totals[0]
        assert (amounts.issued, amounts.spent, amounts.restored) == (40, 40, 40)
        assert (amounts.outstanding, amounts.held) == (0, 0)
        assert (amounts.expired, amounts.reversed) == (
            (40, 0) if earner_goes_back_first else (0, 40)
        )

    async def test_while_what_was_earned_is_held_leaves_nothing(self, points: Points) -> None:
        """A hold that stands during the return gives nothing back afterwards, asked to or by its time."""
        await run(points, members())
        earner = make_checkout(100, sales=(6_000,), occur_time=START)
        soon = START + timedelta(hours=1)
        holds = [
            HoldValue(event_id(n), "", UUID(int=n), MEMBER, None, POINTS, 10, soon) for n in (1, 2)
        ]
        await run(points, [*earner.paid(), *holds])
        await run(points, [earner.refund])

        await run(points, [ReleaseHold(event_id(3), "", UUID(int=1))])
        points.clock.move_to(soon)
        await expire_value(points.queue)
        totals, _ = await points.reader.totals()

        amounts = render_totals(totals, journal_seq=0).totals[0]
        assert (amounts.outstanding, amounts.held) == (0, 0)
        assert (amounts.reversed, amounts.absorbed, amounts.expired) == (20, 20, 20)


def basket(checkout_id: UUID, *, sequence: int = 1, sales: Sequence[int] = (3_000,)) -> pb.Ticket:
    """Give a ticket that a checkout pays."""
    return pb.Ticket(
        key=pb.TicketKey(
            store_id="0330",
            business_date="2017-01-05",
            till_id="07",
            sequence=sequence,
            kind=pb.TICKET_KIND_SALE,
        ),
        occur_time=render_time(START),
        channel=pb.CHANNEL_STORE,
        checkout_id=str(checkout_id),
        currency_code="EUR",
        lines=[
            pb.TicketLine(
                line_number=number,
                product_id=str(number),
                department="GROCERY",
                brand="Private",
                quantity_milli=1000,
                sales_minor=amount,
                vat_rate_bp=550,
            )
            for number, amount in enumerate(sales, 1)
        ],
        tenders=[pb.Tender(kind=pb.TENDER_KIND_CHECKOUT, amount_minor=sum(sales))],
        total_minor=sum(sales),
    )


def metadata(at: datetime) -> event_pb2.EventMetadata:
    """Give the metadata of a new fact."""
    return event_pb2.EventMetadata(
        event_id=str(new_uuid7()), occur_time=render_time(at), record_time=render_time(at)
    )


def settled(ticket: pb.Ticket, *, leg_id: UUID, kitty: int) -> events_pb2.CheckoutSettled:
    """Give the wallet's fact of a basket paid with kitty, the rest by card."""
    tender = events_pb2.SettledTender
    return events_pb2.CheckoutSettled(
        metadata=metadata(START),
        checkout_id=ticket.checkout_id,
        customer_id=str(CUSTOMER),
        ticket=ticket,
        tenders=[
            tender(
                leg_id=str(new_uuid7()),
                kind=pb.TENDER_KIND_CARD,
                amount_minor=ticket.total_minor - kitty,
            ),
            tender(
                leg_id=str(leg_id), kind=pb.TENDER_KIND_KITTY, amount_minor=kitty, quantity=kitty
            ),
        ],
    )


def refunded(ticket: pb.Ticket) -> events_pb2.CheckoutRefunded:
    """Give the wallet's fact of a checkout given back."""
    return events_pb2.CheckoutRefunded(
        metadata=metadata(START + timedelta(hours=1)),
        checkout_id=ticket.checkout_id,
        refund_id=str(new_uuid7()),
        customer_id=str(CUSTOMER),
        ticket_key=ticket.key,
        currency_code="EUR",
    )


def incoming(message: Any) -> IncomingEvent:
    """Give an event as Kafka brings it."""
    return IncomingEvent(
        topic="cagnotte.wallet.v1.checkouts",
        partition=0,
        offset=0,
        event_id=UUID(message.metadata.event_id),
        type_name=message.DESCRIPTOR.full_name,
        source="/wallet/0",
        key=b"",
        payload=message.SerializeToString(),
        time=START,
        traceparent="",
    )


async def take_in(points: Points, *messages: Any) -> None:
    """Read and decide events as the consumer does."""
    consumer = TakeInCheckouts(points.queue)
    commands = [consumer.parse(incoming(message)) for message in messages]
    await consumer.handle([command for command in commands if command is not None])


async def told(points: Points, ticket: pb.Ticket) -> rpc.GetTicketResponse:
    """Ask for a ticket as GetTicket answers it."""
    key = parse_key(ticket.key)
    return render_ticket(key, await points.reader.ticket(key))


class TestTakeInCheckouts:
    async def test_settles_a_ticket_and_takes_it_back(self, points: Points) -> None:
        """GetTicket tells the first answer, then the settlement, then what the refund undid."""
        await run(points, members())
        earlier = record(9, member_id=MEMBER, sales=(9_000, 0), occur_time=START)
        leg_id, ticket = new_uuid7(), basket(new_uuid7(), sales=(2_000, 1_000))
        held = HoldValue(
            event_id(30), "", leg_id, None, CUSTOMER, KITTY, 101, START + timedelta(days=7)
        )
        sent = rpc.RecordTicketRequest(request_id=str(new_uuid7()), ticket=ticket)
        till = parse_record_ticket(sent, event_id=new_uuid7(), trace_parent="")
        await run(points, [earlier, held, till])
        paid = settled(ticket, leg_id=leg_id, kitty=101)

        waiting = await told(points, ticket)
        await take_in(points, paid)
        after = await told(points, ticket)
        await take_in(points, paid, refunded(ticket))
        undone = await told(points, ticket)

        assert waiting.outcome.decision.state == pb.LOYALTY_STATE_AWAITING_CHECKOUT
        assert not waiting.HasField("settlement")
        assert after.outcome == waiting.outcome
        decision = after.settlement.decision
        assert decision.state == pb.LOYALTY_STATE_EARNED
        # 30.00 less 1.01 of kitty: the lines count 19.33 and 9.66.
        assert [[share.base_minor for share in award.shares] for award in decision.awards] == [
            [1_933, 966],
            [1_933, 966],
        ]
        assert [award.quantity for award in decision.awards] == [28, 145]
        assert after.settlement.tenders[0].spent_quantity == 101
        assert not after.HasField("reversal")
        assert undone.settlement == after.settlement
        assert [(a.restored, a.taken, a.shortfall) for a in undone.reversal.amounts] == [
            (0, 28, 0),
            (101, 145, 0),
        ]

    async def test_refuses_a_refund_of_what_it_never_heard_of(self, points: Points) -> None:
        """A dead letter with a reason of its own: nothing is guessed."""
        ticket = basket(new_uuid7())

        with pytest.raises(CheckoutNotSettled):
            await take_in(points, refunded(ticket))

    async def test_ignores_what_is_none_of_its_business(self, points: Points) -> None:
        """Cancelled checkouts and top-ups change no loyalty."""
        consumer = TakeInCheckouts(points.queue)
        cancelled = events_pb2.CheckoutCancelled(metadata=metadata(START))
        top_up = events_pb2.TopUpSettled(metadata=metadata(START))

        assert consumer.parse(incoming(cancelled)) is None
        assert consumer.parse(incoming(top_up)) is None

    @pytest.mark.parametrize(
        "damage",
        [
            lambda message: message.ticket.ClearField("checkout_id"),
            lambda message: setattr(message.ticket.key, "kind", pb.TICKET_KIND_TRAINING),
            lambda message: setattr(message.ticket, "total_minor", 1),
            lambda message: setattr(message.tenders[1], "amount_minor", 3_001),
            lambda message: setattr(message.tenders[1], "quantity", -1),
            lambda message: setattr(message, "customer_id", ""),
            lambda message: setattr(message.tenders[1], "leg_id", "leg"),
        ],
    )
    async def test_refuses_what_does_not_fit_together(self, points: Points, damage: Any) -> None:
        """A settlement that cannot be is a dead letter, never half a settlement."""
        message = settled(basket(new_uuid7()), leg_id=new_uuid7(), kitty=100)
        damage(message)

        with pytest.raises(DomainError):
            TakeInCheckouts(points.queue).parse(incoming(message))
