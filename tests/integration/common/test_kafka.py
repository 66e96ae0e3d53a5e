"""Producer, relay and consume loop on a real broker."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.testing import capture_logs

from services.common.kernel.errors import FailedPrecondition
from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import KafkaSettings
from services.common.runtime.database import Database
from services.common.runtime.kafka import (
    STOPPED,
    Consumer,
    IncomingEvent,
    Producer,
    Unreadable,
    open_producer,
)
from services.common.runtime.kafka_events import Message, render_headers
from services.common.runtime.kafka_producer import ensure_topics, partition_of
from services.common.runtime.relay import FORGOTTEN, Relay
from services.common.testing.kafka import Broker
from tests.integration.common.facts import NOW, TOPIC, JournalFacts, journal, make_facts

pytestmark = pytest.mark.slow


class NotBookable(FailedPrecondition):
    """A handler's refusal of one event."""

    reason = "TEST_NOT_BOOKABLE"


def message(body: str, *, key: bytes = b"k") -> Message:
    """Make a well-formed event of a producer without sequences."""
    headers = render_headers(
        event_id=new_uuid7(),
        type_name="cagnotte.test.v1.Happened",
        source="/test",
        time=NOW,
        seq=1,
        previous_seq=0,
        traceparent="",
    )
    kept = [header for header in headers if header[0] not in {"ce_sequence", "ce_previous"}]
    return Message(key, body.encode(), kept)


def parse(event: IncomingEvent) -> str | None:
    """Give the body; some are unreadable, some nobody's business."""
    body = event.payload.decode()
    if body == "unreadable":
        raise Unreadable("TEST_UNREADABLE", "It says so, with 4111 1111 1111 1111.")
    return None if body == "other" else body


@asynccontextmanager
async def consuming(
    settings: KafkaSettings,
    handle: Callable[[Sequence[str]], Awaitable[None]],
    *,
    topic: str = TOPIC,
    parse: Callable[[IncomingEvent], str | None] = parse,
) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a consumer."""
    consumer = Consumer(
        settings, topics=[topic], group_id="test", parse=parse, handle=handle, batch_max=100
    )
    running: asyncio.Task[None] = asyncio.create_task(consumer.run())
    try:
        yield running
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], bool], *tasks: "asyncio.Task[None]") -> None:
    """Wait until it is so, and fail when a task does."""
    async with asyncio.timeout(60):
        while not condition():
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.02)


async def send(producer: Producer, *messages: Message) -> None:
    """Send to one partition."""
    await producer.publish(TOPIC, [(0, each) for each in messages])


async def read_dead(settings: KafkaSettings, count: int) -> list[IncomingEvent]:
    """Read the dead letters."""
    found: list[IncomingEvent] = []

    def keep(event: IncomingEvent) -> None:
        found.append(event)

    async def handle(_: Sequence[str]) -> None:
        raise AssertionError("nothing is left to handle")

    async with consuming(settings, handle, topic=f"{TOPIC}.dead", parse=keep) as reader:
        await until(lambda: len(found) >= count, reader)
    return found


async def producer_log_ends(producer: Producer) -> list[int]:
    """Count the dead letters of each partition."""
    topic = f"{TOPIC}.dead"
    return list((await producer.log_ends(topic, range(1))).values())


class TestConsumer:
    """What becomes of events."""

    async def test_buries_what_cannot_be_read_and_goes_on(self, broker: Broker) -> None:
        """Unreadable events and those their handler refuses are kept apart, with the rest intact."""
        settings = broker.settings(partitions=1)
        handled: list[str] = []
        failures = [ConnectionResetError()]

        async def handle(events: Sequence[str]) -> None:
            if failures:
                raise failures.pop()
            if "refused" in events:
                raise NotBookable("This one never will be.")
            handled.extend(events)

        async with open_producer(settings) as producer:
            bodies = ["1", "unreadable", "2", "other", "refused", "3"]
            await send(producer, *map(message, bodies), Message(b"k", b"no headers", []))
            await send(producer, message("4"))
            with capture_logs() as lines:
                async with consuming(settings, handle) as running:
                    await until(lambda: "4" in handled, running)
            dead = await read_dead(settings, 2)

        assert handled == ["1", "2", "3", "4"]
        told = [line for line in lines if line["event"] == "consumer.event_unreadable"]
        details = {line["event_id"]: (line["subject"], line["dead_detail"]) for line in told}
        assert [details[str(event.event_id)] for event in dead if event.payload == b"refused"] == [
            ("k", "This one never will be.")
        ]
        assert not any("4111 1111" in line["dead_detail"] for line in told)
        assert sorted(event.payload for event in dead) == [b"refused", b"unreadable"]

    async def test_goes_no_further_when_too_much_in_a_row_is_unreadable(
        self, broker: Broker
    ) -> None:
        """Then it is a bug of ours: it tries the same events again, sends none twice, and goes on once it can."""
        settings = broker.settings(partitions=1, dead_letters_max=3)
        handled: list[str] = []
        seen: list[str] = []
        able = False

        def parse_once_able(event: IncomingEvent) -> str | None:
            seen.append(event.payload.decode())
            return event.payload.decode() if able else parse(event)

        async def handle(events: Sequence[str]) -> None:
            handled.extend(events)

        stopped = STOPPED.labels("test")
        async with open_producer(settings) as producer:
            bodies = ["good", *["unreadable"] * 4, "late"]
            await send(producer, *map(message, bodies))
            async with consuming(settings, handle, parse=parse_once_able) as running:
                await until(lambda: seen.count("good") >= 2, running)
                assert stopped._value.get() == 1
                assert set(handled) == {"good"}
                able = True
                await until(lambda: "late" in handled, running)
                await until(lambda: stopped._value.get() == 0, running)
            [dead] = await producer_log_ends(producer)

        assert handled[-5:] == ["unreadable"] * 4 + ["late"]
        assert dead == 3

    async def test_resumes_after_what_it_handled(self, broker: Broker) -> None:
        """Offsets are committed after the effect, so a successor repeats nothing finished."""
        settings = broker.settings(partitions=1)
        handled: list[str] = []

        async def handle(events: Sequence[str]) -> None:
            handled.extend(events)

        async with open_producer(settings) as producer:
            await send(producer, message("1"))
            async with consuming(settings, handle) as running:
                await until(lambda: handled == ["1"], running)
                await asyncio.sleep(0.3)
            await send(producer, message("2"))
            async with consuming(settings, handle) as running:
                await until(lambda: "2" in handled, running)

        assert handled == ["1", "2"]


class TestBrokerThatForgets:
    """A broker with its memory gone loses nothing."""

    async def test_every_fact_arrives_in_order(self, db: Database, broker: Broker) -> None:
        """Killed under load, with facts on their way and more made while it is down."""
        settings = broker.settings(partitions=3)
        facts = [make_facts(200) for _ in range(12)]
        order = {
            fact.event_id: (fact.subject, n)
            for n, fact in enumerate(fact for batch in facts for fact in batch)
        }
        seen: dict[str, None] = {}

        async def handle(events: Sequence[str]) -> None:
            seen.update(dict.fromkeys(events))

        async with (
            open_producer(settings) as producer,
            consuming(settings, handle, parse=lambda event: str(event.event_id)) as consumer,
        ):
            relay = Relay(
                db,
                producer,
                JournalFacts(),
                topic=TOPIC,
                shard_id=0,
                batch_max=50,
                idle_seconds=0.1,
            )
            relaying: asyncio.Task[None] = asyncio.create_task(relay.run())
            for n, batch in enumerate(facts):
                await journal(db, batch)
                relay.wake()
                if n in {4, 8}:
                    broker.stop()
                if n in {5, 9}:
                    broker.start()
                    await ensure_topics(settings, [TOPIC])
                await asyncio.sleep(0.1)
            await until(lambda: len(seen) == len(order), consumer, relaying)
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)

        by_text = {str(event_id): place for event_id, place in order.items()}
        last: dict[object, int] = {}
        for event_id in seen:
            subject, n = by_text[event_id]
            assert last.get(subject, -1) < n, "a subject's facts arrive in order"
            last[subject] = n


class TestKilledBroker:
    """What the log itself holds after kills in the middle of publishing."""

    async def test_has_every_fact_of_a_partition_in_order(
        self, db: Database, broker: Broker
    ) -> None:
        """No fact is missing; a log that outlasts the kill has each in its place, and nothing is published anew."""
        settings = broker.settings(partitions=3)
        forgotten = FORGOTTEN.labels(TOPIC)._value.get()
        async with open_producer(settings) as producer:
            relay = Relay(
                db,
                producer,
                JournalFacts(),
                topic=TOPIC,
                shard_id=0,
                batch_max=20,
                idle_seconds=0.05,
            )
            relaying: asyncio.Task[None] = asyncio.create_task(relay.run())
            for batch, kill in enumerate((False, True, True, False)):
                await journal(db, make_facts(1_000))
                relay.wake()
                await cursor_reaches(db, 1_000 * batch + 100)
                if kill:
                    await asyncio.to_thread(broker.stop)
                    await asyncio.to_thread(broker.start)
                    await ensure_topics(settings, [TOPIC])
            await cursor_reaches(db, 4_000)
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)
            logs = await read_logs(settings, await producer.log_ends(TOPIC, range(3)))

        assert {seq for log in logs for seq in log} == set(range(1, 4_001))
        if broker.keeps_log:
            # Of a log that was lost, consumers restore the order themselves (TestBrokerThatForgets).
            assert all(list(dict.fromkeys(log)) == sorted(set(log)) for log in logs)
            assert FORGOTTEN.labels(TOPIC)._value.get() == forgotten
            on_their_way = 20 * 2
            assert sum(len(log) for log in logs) <= 4_000 + on_their_way


async def cursor_reaches(db: Database, seq: int) -> None:
    """Wait until the relay has published up to a fact."""
    async with asyncio.timeout(120), db.connection() as conn:
        while (await conn.fetchval("SELECT seq FROM relay_cursor") or 0) < seq:  # noqa: ASYNC110 -- a row
            await asyncio.sleep(0.005)


async def read_logs(settings: KafkaSettings, ends: Mapping[int, int]) -> list[list[int]]:
    """Read each partition from its beginning to its end, as the sequences of its facts."""
    reader = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, group_id=None, auto_offset_reset="earliest"
    )
    await reader.start()
    try:
        reader.assign([TopicPartition(TOPIC, partition) for partition in ends])
        logs: dict[int, list[int]] = {partition: [] for partition in ends}
        next_offsets = dict.fromkeys(ends, 0)
        async with asyncio.timeout(60):
            while any(next_offsets[partition] < end for partition, end in ends.items()):
                for place, records in (await reader.getmany(timeout_ms=500)).items():
                    logs[place.partition] += [
                        int(dict(record.headers)["ce_sequence"]) for record in records
                    ]
                    next_offsets[place.partition] = records[-1].offset + 1
    finally:
        await reader.stop()
    return list(logs.values())


class TestPartitionOf:
    """Which partition a key goes to."""

    @pytest.mark.parametrize(("key", "partition"), [(b"21", 0), (b"foobar", 6), (b"abc", 7)])
    def test_agrees_with_other_clients(self, key: bytes, partition: int) -> None:
        """Keys whose hash the tests of Kafka's own client state, over ten partitions."""
        assert partition_of(key, 10) == partition
