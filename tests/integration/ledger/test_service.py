"""The ledger as a process: asked over gRPC, fed and heard over Kafka."""

import asyncio
import os
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import grpc
import pytest
from aiokafka import AIOKafkaConsumer
from google.protobuf.message import Message as ProtoMessage
from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.common.v1 import clock_service_pb2, clock_service_pb2_grpc, event_pb2, money_pb2
from cagnotte.ledger.v1 import events_pb2 as ledger_events
from cagnotte.ledger.v1 import ledger_pb2, ledger_service_pb2_grpc
from cagnotte.ledger.v1 import ledger_service_pb2 as pb
from cagnotte.points.v1 import events_pb2, points_pb2
from cagnotte.wallet.v1 import events_pb2 as wallet_events
from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import CallerKind
from services.common.runtime.dev_keys import open_dev_keys
from services.common.runtime.grpc_client import open_channel, parse_error
from services.common.runtime.kafka_events import Message, render_headers
from services.common.runtime.kafka_producer import open_producer
from services.common.testing.kafka import Broker, start_broker
from services.common.testing.postgres import TestDatabase, free_port
from services.ledger.events.topics import CHECKOUTS, JOURNAL, LOYALTY

START = datetime(2017, 3, 1, 9, 0, tzinfo=UTC)
BANK, SALES, ALICE = "gl/512100", "gl/707100", "wallet/alice/prepaid"
MEMBER, CUSTOMER = UUID(int=9), UUID(int=10)
PREPAID = f"wallet/{CUSTOMER}/prepaid"


@dataclass(frozen=True, slots=True)
class Service:
    """A running ledger, as finance and other services see it."""

    ledger: Any
    finance: Any
    clock: Any
    broker: Broker
    process: Process


@pytest.fixture
async def service(ledger_database: TestDatabase, tmp_path: Path) -> AsyncIterator[Service]:
    """Run ``python -m services.ledger serve`` beside a broker of its own."""
    keys = open_dev_keys(tmp_path)
    address = f"127.0.0.1:{free_port()}"

    def token(kind: CallerKind) -> str:
        return keys.mint(kind, "test", now=datetime.now(UTC), lifetime=timedelta(hours=1))

    with start_broker() as broker:
        env = os.environ | {
            "LEDGER_POSTGRES__DSN": ledger_database.runtime_dsn,
            "LEDGER_KAFKA__BOOTSTRAP": broker.settings().bootstrap,
            "LEDGER_KAFKA__IDEMPOTENT": str(broker.settings().idempotent),
            "LEDGER_GRPC__LISTEN": address,
            "LEDGER_IDENTITY__JWKS_FILE": str(keys.jwks_file),
            "LEDGER_DEVELOPMENT": "true",
            "LEDGER_CLOCK": "simulated",
            "LEDGER_CLOCK_START_TIME": START.isoformat(),
            "LEDGER_SWEEP_IDLE_SECONDS": "0.1",
            "LEDGER_LOG__LEVEL": "warning",
        }
        process = await create_subprocess_exec(
            sys.executable, "-m", "services.ledger", "serve", env=env
        )
        try:
            async with (
                open_channel(address, token=token(CallerKind.SERVICE)) as channel,
                open_channel(address, token=token(CallerKind.FINANCE)) as finance,
                open_channel(address, token=token(CallerKind.OPERATOR)) as operator,
            ):
                await channel.channel_ready()
                yield Service(
                    ledger_service_pb2_grpc.LedgerServiceStub(channel),
                    ledger_service_pb2_grpc.LedgerServiceStub(finance),
                    clock_service_pb2_grpc.ClockServiceStub(operator),
                    broker,
                    process,
                )
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def post(*legs: tuple[str, int], group: int = 0) -> ledger_pb2.TransactionCommand:
    """Make a command in euros, credit positive, with a new id."""
    return ledger_pb2.TransactionCommand(
        transaction_id=str(new_uuid7()),
        link_group=group,
        purpose="test",
        post=ledger_pb2.Post(legs=[leg(*item) for item in legs]),
    )


def leg(account: str, amount: int) -> ledger_pb2.Leg:
    """Make a leg in euros."""
    side = ledger_pb2.SIDE_CREDIT if amount > 0 else ledger_pb2.SIDE_DEBIT
    return ledger_pb2.Leg(account=account, side=side, amount=abs(amount), asset="EUR")


def timestamp(time: datetime) -> Timestamp:
    """Render a time."""
    message = Timestamp()
    message.FromDatetime(time)
    return message


async def eventually(condition: Callable[[], Awaitable[bool]], *, seconds: float = 20) -> None:
    """Wait until a condition holds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.05)


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


async def trial_balance(service: Service) -> dict[str, int]:
    """Give credits less debits by GL account."""
    answer = await service.finance.GetTrialBalance(pb.GetTrialBalanceRequest())
    return {line.gl_code: line.credit - line.debit for line in answer.lines}


async def refusal(call: Awaitable[Any]) -> tuple[grpc.StatusCode, str, list[str]]:
    """Await a call that must fail; give code, reason and the fields at fault."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    error = parse_error(failed.value)
    return failed.value.code(), error.reason, [field for field, _ in error.violations]


class TestGrpc:
    async def test_one_story(self, service: Service) -> None:
        """Open, post, batch; then every read tells the same, and the process ends cleanly when asked."""
        opened = await service.ledger.OpenAccount(
            pb.OpenAccountRequest(name=ALICE, asset="EUR", floor=0, gl_code="467100")
        )
        first = post((BANK, -500), (ALICE, 500))
        posted = await service.ledger.PostTransaction(pb.PostTransactionRequest(transaction=first))
        batch = await service.ledger.BatchPostTransactions(
            pb.BatchPostTransactionsRequest(
                transactions=[
                    post((ALICE, -100), (SALES, 100), group=1),
                    post((ALICE, -50), (SALES, 50)),
                    post((ALICE, -900), (SALES, 900), group=1),
                ]
            )
        )

        assert not opened.replayed
        assert posted.outcome.status == ledger_pb2.OUTCOME_STATUS_ACCEPTED
        assert [outcome.reason for outcome in batch.outcomes] == [14, 0, 4]
        balance = await service.finance.GetBalance(pb.GetBalanceRequest(account=ALICE))
        assert (balance.balance.posted, balance.balance.available) == (450, 450)
        page = await service.finance.ListPostings(
            pb.ListPostingsRequest(account=ALICE, page_size=1)
        )
        assert (page.lines[0].posting.amount, page.lines[0].posting.side) == (50, 1)
        assert page.next_page_token
        read = await service.finance.GetTransaction(
            pb.GetTransactionRequest(transaction_id=first.transaction_id)
        )
        assert [p.account for p in read.transaction.postings] == [BANK, ALICE]
        assert await trial_balance(service) == {"467100": 450, "512100": -500, "707100": 50}
        totals = await service.finance.GetJournalTotals(pb.GetJournalTotalsRequest())
        assert (totals.seq, totals.accounts, totals.transactions, totals.refusals) == (7, 3, 2, 2)
        assert (await service.finance.VerifyJournal(pb.VerifyJournalRequest())).ok
        service.process.terminate()
        assert await service.process.wait() == 0

    async def test_bad_input(self, service: Service) -> None:
        """Bad input is INVALID_ARGUMENT with the fields at fault, and nothing is written."""
        unbalanced = post((BANK, -500), (SALES, 400))
        reused = post((BANK, -500), (SALES, 500))
        await service.ledger.PostTransaction(pb.PostTransactionRequest(transaction=reused))
        reused.post.legs[0].amount = reused.post.legs[1].amount = 600
        zero = post((BANK, -1), (SALES, 1))
        zero.post.legs[0].amount = 0
        card = post((BANK, -1), (SALES, 1))
        card.reference = "4111 1111 1111 1111"
        control = post((BANK, -1), (SALES, 1))
        control.reference = "a\x00b"
        call = service.ledger.PostTransaction
        invalid = grpc.StatusCode.INVALID_ARGUMENT

        async def answer(command: ledger_pb2.TransactionCommand) -> Any:
            return await refusal(call(pb.PostTransactionRequest(transaction=command)))

        assert await answer(unbalanced) == (invalid, "NOT_BALANCED", ["transaction.post.legs"])
        assert (await answer(reused))[:2] == (invalid, "REQUEST_ID_REUSED")
        assert await answer(zero) == (
            invalid,
            "FIELD_INVALID",
            ["transaction.post.legs[0].amount"],
        )
        assert (await answer(card))[:2] == (invalid, "PAN_REFUSED")
        assert await answer(control) == (invalid, "FIELD_INVALID", ["transaction.reference"])
        opened = await refusal(
            service.ledger.OpenAccount(
                pb.OpenAccountRequest(name="x", asset="EUR", gl_code="999999")
            )
        )
        assert opened == (invalid, "INVALID_COMMAND", ["gl_code"])
        missing = await refusal(service.finance.GetAccount(pb.GetAccountRequest(name="no/one")))
        assert missing[:2] == (grpc.StatusCode.NOT_FOUND, "ACCOUNT_NOT_FOUND")
        totals = await service.finance.GetJournalTotals(pb.GetJournalTotalsRequest())
        assert (totals.transactions, totals.refusals) == (1, 0)


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
    async with asyncio.timeout(20):
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
