"""The relay on a real broker: killed under load, with its memory gone, or with a log from before its topic."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from services.common.runtime.config import KafkaSettings
from services.common.runtime.database import Database
from services.common.runtime.kafka import IncomingEvent, Producer, open_producer
from services.common.runtime.kafka_producer import ensure_topics
from services.common.runtime.relay import FORGOTTEN, Relay
from services.common.testing.kafka import Broker
from services.common.testing.postgres import TestDatabase
from tests.integration.common.consuming import consuming, until, write_unasked
from tests.integration.common.facts import TOPIC, JournalFacts, journal, make_facts

pytestmark = pytest.mark.slow


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


class TestLostPlace:
    """A relay whose saved progress is gone, before a log that is not."""

    async def test_is_found_in_the_logs(
        self, db: Database, database: TestDatabase, broker: Broker
    ) -> None:
        """Each fact is in its log once: nothing is sent again, and what is new follows."""
        settings = broker.settings(partitions=3)
        async with open_producer(settings) as producer:
            await journal(db, make_facts(1_000))
            async with relaying(db, producer):
                await cursor_reaches(db, 1_000)
            async with database.open_as_owner() as conn:
                await conn.execute("TRUNCATE relay_offset, relay_cursor")
            await journal(db, make_facts(100))
            async with relaying(db, producer):
                await cursor_reaches(db, 1_100)
            # It is remembered again, by its batch.
            async with relaying(db, producer):
                await journal(db, make_facts(1))
                await cursor_reaches(db, 1_101)
            logs = await read_logs(settings, await producer.log_ends(TOPIC, range(3)))

        assert sorted(seq for log in logs for seq in log) == list(range(1, 1_102))
        assert all(log == sorted(log) for log in logs)


class TestLogBeforeItsTopic:
    """A log that was written to before its topic was made, as by a client that knew the broker before it died."""

    async def test_every_fact_arrives_in_order(self, db: Database, broker: Broker) -> None:
        """Tansu then counts from 0 again, and acknowledges what no reader past that will see: it is sent again."""
        settings = broker.settings(partitions=1)
        await write_unasked(settings, [b"other"] * 20)
        await ensure_topics(settings, [TOPIC])
        batches = [make_facts(3) for _ in range(10)]
        wanted = [str(fact.event_id) for facts in batches for fact in facts]
        seen: dict[str, None] = {}

        async def handle(events: Sequence[str]) -> None:
            seen.update(dict.fromkeys(events))

        def parse_fact(event: IncomingEvent) -> str | None:
            return str(event.event_id) if event.payload != b"other" else None

        async with (
            consuming(settings, handle, parse=parse_fact) as consumer,
            open_producer(settings) as producer,
            relaying(db, producer) as relay,
        ):
            for facts in batches:
                await journal(db, facts)
                relay.wake()
                await asyncio.sleep(0.1)
            await until(lambda: len(seen) == len(wanted), consumer)

        assert list(seen) == wanted


@asynccontextmanager
async def relaying(db: Database, producer: Producer) -> AsyncIterator[Relay]:
    """Run a relay."""
    relay = Relay(
        db, producer, JournalFacts(), topic=TOPIC, shard_id=0, batch_max=50, idle_seconds=0.1
    )
    running: asyncio.Task[None] = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


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
