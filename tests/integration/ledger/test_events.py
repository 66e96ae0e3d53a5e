"""The ledger as a consumer and a publisher: what it books of other services' facts, and what it tells of its own."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer
from google.protobuf.message import Message as ProtoMessage

from cagnotte.common.v1 import clock_service_pb2, event_pb2, money_pb2
from cagnotte.ledger.v1 import events_pb2 as ledger_events
from cagnotte.ledger.v1 import ledger_pb2
from cagnotte.ledger.v1 import ledger_service_pb2 as pb
from cagnotte.points.v1 import events_pb2, points_pb2
from cagnotte.wallet.v1 import events_pb2 as wallet_events
from services.common.kernel.ids import new_uuid7
from services.common.runtime.kafka_events import Message, render_headers
from services.common.runtime.kafka_producer import open_producer
from services.common.testing.kafka import Broker
from services.ledger.events.topics import CHECKOUTS, JOURNAL, LOYALTY
from tests.integration.ledger.process import (
    BANK,
    SALES,
    START,
    Service,
    eventually,
    leg,
    post,
    timestamp,
    trial_balance,
)

MEMBER, CUSTOMER = UUID(int=9), UUID(int=10)
PREPAID = f"wallet/{CUSTOMER}/prepaid"


async def deliver(broker: Broker, *events: tuple[ProtoMessage, UUID], topic: str = LOYALTY) -> None:
    """Publish events as the service that owns them would."""
    async with open_producer(broker.settings()) as producer:
        await producer.partitions(topic)
        messages = []
        for seq, (event, event_id) in enumerate(events, 1):
            headers = render_headers(
                event_id=event_id,
                type_name=event.DESCRIPTOR.full_name,
                source=f"/test/{new_uuid7()}",
                time=START,
                seq=seq,
                previous_seq=0,
                traceparent="",
            )
            messages.append((0, Message(b"m", event.SerializeToString(), headers)))
        await producer.publish(topic, messages)


def metadata(event_id: UUID) -> event_pb2.EventMetadata:
    """Make the metadata of an event."""
    return event_pb2.EventMetadata(
        event_id=str(event_id), occur_time=timestamp(START), record_time=timestamp(START)
    )


def ticket(event_id: UUID, *, vat_rate_bp: int = 550) -> events_pb2.TicketRecorded:
    """Make a ticket of 21.10 at one rate, paid in cash."""
    return events_pb2.TicketRecorded(
        metadata=metadata(event_id),
        key=points_pb2.TicketKey(
            store_id="0330",
            business_date="2017-03-01",
            till_id="07",
            sequence=1,
            kind=points_pb2.TICKET_KIND_SALE,
        ),
        ticket_id=str(new_uuid7()),
        request_id=str(new_uuid7()),
        currency_code="EUR",
        total_minor=2110,
        sales_by_vat_rate=[events_pb2.VatSales(vat_rate_bp=vat_rate_bp, sales_minor=2110)],
        tenders=[points_pb2.Tender(kind=points_pb2.TENDER_KIND_CASH, amount_minor=2110)],
    )


def earned(event_id: UUID) -> events_pb2.ValueEarned:
    """Make the earning of 21 points."""
    lot = events_pb2.EarnedLot(
        currency=money_pb2.LOYALTY_CURRENCY_POINTS, quantity=21, lot_id=str(new_uuid7())
    )
    return events_pb2.ValueEarned(metadata=metadata(event_id), member_id=str(MEMBER), awards=[lot])


def topped_up(event_id: UUID, *, amount: int) -> wallet_events.TopUpSettled:
    """Make a top-up of the customer's prepaid balance."""
    return wallet_events.TopUpSettled(
        metadata=metadata(event_id),
        top_up_id=str(new_uuid7()),
        customer_id=str(CUSTOMER),
        amount_minor=amount,
        currency_code="EUR",
    )


def settled(event_id: UUID, *, prepaid: UUID) -> wallet_events.CheckoutSettled:
    """Make the settlement of 21.10 at 5.5 %: 10.00 from the prepaid balance, the rest by card."""
    card = points_pb2.TENDER_KIND_CARD
    return wallet_events.CheckoutSettled(
        metadata=metadata(event_id),
        checkout_id=str(new_uuid7()),
        customer_id=str(CUSTOMER),
        ticket=points_pb2.Ticket(
            key=points_pb2.TicketKey(
                store_id="0330", business_date="2017-03-01", till_id="07", sequence=2
            ),
            currency_code="EUR",
            total_minor=2110,
        ),
        sales_by_vat_rate=[events_pb2.VatSales(vat_rate_bp=550, sales_minor=2110)],
        tenders=[
            wallet_events.SettledTender(
                leg_id=str(prepaid), kind=points_pb2.TENDER_KIND_PREPAID, amount_minor=1000
            ),
            wallet_events.SettledTender(leg_id=str(new_uuid7()), kind=card, amount_minor=1110),
        ],
    )


class TestKafka:
    async def test_books_the_facts_of_points_once(self, service: Service) -> None:
        """Tickets and earnings become entries; a second delivery and unreadable events change nothing."""
        sale, earning, unknown_rate, garbage = (new_uuid7() for _ in range(4))
        bad = earned(garbage)
        bad.member_id = "nobody"
        events = [
            (ticket(sale), sale),
            (ticket(unknown_rate, vat_rate_bp=551), unknown_rate),
            (bad, garbage),
            (earned(earning), earning),
        ]
        await deliver(service.broker, *events)
        await deliver(service.broker, *events)
        last = new_uuid7()
        await deliver(service.broker, (earned(last), last))

        async def all_came() -> bool:
            return (await trial_balance(service)).get("801100") == 42

        await eventually(all_came)

        assert await trial_balance(service) == {
            "530000": -2110,
            "707100": 2000,
            "445711": 110,
            "801100": 42,
            "809110": -42,
        }
        totals = await service.finance.GetJournalTotals(pb.GetJournalTotalsRequest())
        assert (totals.transactions, totals.refusals) == (3, 0)
        buried = await listen(service.broker, f"{LOYALTY}.dead", count=4)
        assert {record_header(record, "ce_id") for record in buried} == {
            str(unknown_rate),
            str(garbage),
        }

    async def test_books_what_is_paid_by_phone_once(self, service: Service) -> None:
        """A top-up, then a checkout that posts its prepaid hold; one whose hold is gone leaves the clearing open."""
        top_up, sale, without_hold = (new_uuid7() for _ in range(3))
        await deliver(service.broker, (topped_up(top_up, amount=5000), top_up), topic=CHECKOUTS)

        async def balance(name: str) -> int:
            return (await trial_balance(service)).get(name, 0)

        async def topped() -> bool:
            return await balance("467100") == 5000

        await eventually(topped)
        hold = ledger_pb2.TransactionCommand(
            transaction_id=str(new_uuid7()),
            purpose="checkout-hold",
            hold=ledger_pb2.Hold(
                legs=[leg(PREPAID, -1000), leg("checkout/clearing", 1000)],
                expire_time=timestamp(START + timedelta(days=7)),
            ),
        )
        await service.ledger.PostTransaction(pb.PostTransactionRequest(transaction=hold))
        events = [
            (settled(sale, prepaid=UUID(hold.transaction_id)), sale),
            (settled(without_hold, prepaid=new_uuid7()), without_hold),
        ]
        await deliver(service.broker, *events, *events, topic=CHECKOUTS)

        async def booked() -> bool:
            return await balance("707100") == 4000

        await eventually(booked)

        assert await trial_balance(service) == {
            "511500": -5000 - 2220,
            "467100": 4000,
            "467900": -1000,
            "707100": 4000,
            "445711": 220,
        }
        totals = await service.finance.GetJournalTotals(pb.GetJournalTotalsRequest())
        assert (totals.transactions, totals.refusals) == (5, 1)

    async def test_publishes_what_it_accepts(self, service: Service) -> None:
        """Every accepted transaction leaves in the journal's order; refusals stay at home."""
        hold = ledger_pb2.TransactionCommand(
            transaction_id=str(new_uuid7()),
            hold=ledger_pb2.Hold(
                legs=[leg(BANK, -5), leg(SALES, 5)],
                expire_time=timestamp(START + timedelta(hours=1)),
            ),
        )
        refused = post((BANK, -5), ("no/such", 5))
        posted = post((BANK, -5), (SALES, 5))
        await service.ledger.BatchPostTransactions(
            pb.BatchPostTransactionsRequest(transactions=[hold, refused, posted])
        )
        await service.clock.SetTime(
            clock_service_pb2.SetTimeRequest(business_time=timestamp(START + timedelta(hours=2)))
        )

        first, second, third = await listen(service.broker, JOURNAL, count=3)

        assert record_header(first, "ce_id") == hold.transaction_id
        event = ledger_events.TransactionPosted.FromString(second.value)
        assert event.metadata.event_id == posted.transaction_id
        assert [p.account for p in event.transaction.postings] == [BANK, SALES]
        expired = ledger_events.HoldExpired.FromString(third.value)
        assert expired.hold_id == hold.transaction_id
        assert record_header(third, "ce_type") == "cagnotte.ledger.v1.HoldExpired"


async def listen(broker: Broker, topic: str, *, count: int) -> list[Any]:
    """Read the first records of a topic, in the order of their partition."""
    client = AIOKafkaConsumer(
        topic,
        bootstrap_servers=broker.settings().bootstrap,
        auto_offset_reset="earliest",
        group_id=None,
    )
    records: list[Any] = []
    async with asyncio.timeout(60):
        await client.start()
        try:
            while len(records) < count:
                for found in (await client.getmany(timeout_ms=200)).values():
                    records += found
        finally:
            await client.stop()
    return records


def record_header(record: Any, name: str) -> str:
    """Read a header of a record."""
    value: bytes = dict(record.headers)[name]
    return value.decode()
