"""Producer, relay and consume loop on a real broker."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.testing import capture_logs

from services.common.kernel.errors import FailedPrecondition
from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import KafkaSettings
from services.common.runtime.kafka import (
    EVENTS,
    STOPPED,
    Consumer,
    IncomingEvent,
    Producer,
    open_producer,
)
from services.common.runtime.kafka_events import Message, render_headers
from services.common.runtime.kafka_producer import partition_of
from services.common.testing.kafka import Broker
from tests.integration.common.consuming import GROUP, consuming, message, parse, running, until
from tests.integration.common.facts import NOW, TOPIC

pytestmark = pytest.mark.slow


class NotBookable(FailedPrecondition):
    """A handler's refusal of one event."""

    reason = "TEST_NOT_BOOKABLE"


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

    # In a group of its own: Tansu lets nobody into one whose last member has just left.
    dead = f"{TOPIC}.dead"
    async with consuming(settings, handle, topic=dead, parse=keep, group="reader") as reader:
        await until(lambda: len(found) >= count, reader)
    return found


async def producer_log_ends(producer: Producer) -> list[int]:
    """Count the dead letters of each partition."""
    topic = f"{TOPIC}.dead"
    return list((await producer.log_ends(topic, range(1))).values())


def fact(seq: int) -> Message:
    """Make a fact of a journal that has no others; its number is its body."""
    headers = render_headers(
        event_id=new_uuid7(),
        type_name="cagnotte.test.v1.Happened",
        source="/points/0",
        time=NOW,
        seq=seq,
        previous_seq=seq - 1,
        traceparent="",
    )
    return Message(b"k", str(seq).encode(), headers)


def lost() -> float:
    """Count the events that were not handled because others before them are missing."""
    return float(EVENTS.labels(GROUP, TOPIC, "lost")._value.get())


async def committed(settings: KafkaSettings, offset: int) -> None:
    """Wait until the consumer has committed an offset."""
    place = TopicPartition(TOPIC, 0)
    # It looks from beside the group, which it does not join.
    client = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, group_id=GROUP, enable_auto_commit=False
    )
    await client.start()
    try:
        client.assign([place])
        async with asyncio.timeout(60):
            while await client.committed(place) != offset:  # noqa: ASYNC110 -- a broker's answer
                await asyncio.sleep(0.02)
    finally:
        await client.stop()


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
                await committed(settings, 1)
            await send(producer, message("2"))
            async with consuming(settings, handle) as running:
                await until(lambda: "2" in handled, running)

        assert handled == ["1", "2"]

    async def test_does_not_jump_a_gap_where_it_joins_again(self, broker: Broker) -> None:
        """Facts that are missing just behind the committed offset are waited for, and none is handled before them."""
        settings = broker.settings(partitions=1)
        handled: list[str] = []

        async def handle(events: Sequence[str]) -> None:
            handled.extend(events)

        def join() -> Consumer[str]:
            return Consumer(
                settings, topics=[TOPIC], group_id=GROUP, parse=parse, handle=handle, batch_max=100
            )

        same = join()
        # The embedded broker keeps no text beside an offset; there, a process knows its own commits.
        again = join if broker.keeps_log else lambda: same
        async with open_producer(settings) as producer:
            await send(producer, fact(1), fact(2))
            async with running(again()) as first:
                await until(lambda: handled == ["1", "2"], first)
                await committed(settings, 2)
            await send(producer, fact(4))
            before = lost()
            async with running(again()) as second:
                await until(lambda: lost() > before, second)
            async with running(again()) as third:
                before = lost()
                await until(lambda: lost() > before, third)
                await send(producer, *map(fact, range(1, 5)))
                await until(lambda: "4" in handled, third)

        assert handled == ["1", "2", "3", "4"]

    async def test_leaves_nothing_running_when_it_ends_without_its_broker(
        self, broker: Broker
    ) -> None:
        """Also cancelled while its client talks to a dead broker, it closes what that has open."""
        settings = broker.settings(partitions=1)
        handled: list[str] = []

        async def handle(events: Sequence[str]) -> None:
            handled.extend(events)

        async with open_producer(settings) as producer:
            await send(producer, message("1"))
        before = asyncio.all_tasks()
        async with consuming(settings, handle) as running:
            await until(lambda: handled == ["1"], running)
            broker.stop()
        left = {task.get_coro() for task in asyncio.all_tasks() - before}

        assert not left


class TestPartitionOf:
    """Which partition a key goes to."""

    @pytest.mark.parametrize(("key", "partition"), [(b"21", 0), (b"foobar", 6), (b"abc", 7)])
    def test_agrees_with_other_clients(self, key: bytes, partition: int) -> None:
        """Keys whose hash the tests of Kafka's own client state, over ten partitions."""
        assert partition_of(key, 10) == partition
