"""Dead letters are listed with what is wrong with them, and sent again on demand."""

import asyncio
from collections.abc import Iterator, Sequence

import pytest

from deploy.local.dead_letters import DeadLetter, read_dead_letters, republish
from services.common.kernel.clock import system_clock
from services.common.kernel.ids import new_uuid7
from services.common.runtime.kafka import Consumer, IncomingEvent, Unreadable, open_producer
from services.common.runtime.kafka_events import Message, render_headers
from services.common.testing.kafka import Broker, start_broker

pytestmark = pytest.mark.slow

TOPIC = "cagnotte.test.v1.repaired"
BODIES = ("1", "2", "3")


@pytest.fixture
def broker() -> Iterator[Broker]:
    """Give a broker of its own."""
    with start_broker() as started:
        yield started


def event(place: int) -> Message:
    """Make an event as a relay sends it, with its place in the journal."""
    headers = render_headers(
        event_id=new_uuid7(),
        type_name="cagnotte.test.v1.Happened",
        source="/test",
        time=system_clock(),
        seq=place,
        previous_seq=place - 1,
        traceparent="",
    )
    return Message(b"k", BODIES[place - 1].encode(), headers)


async def test_an_event_is_listed_and_handled_once_the_consumer_is_mended(broker: Broker) -> None:
    """The running consumer, which has gone beyond the event, handles it when it is sent again; noise stays."""
    settings = broker.settings(partitions=1)
    handled = asyncio.Queue[str]()
    mended = asyncio.Event()

    def parse(incoming: IncomingEvent) -> str:
        body = incoming.payload.decode()
        if body == "2" and not mended.is_set():
            raise Unreadable("TEST_UNREADABLE", "It says so, with 4111 1111 1111 1111.")
        return body

    async def handle(events: Sequence[str]) -> None:
        for each in events:
            await handled.put(each)

    consumer = Consumer(
        settings, topics=[TOPIC], group_id="test", parse=parse, handle=handle, batch_max=100
    )
    running = asyncio.create_task(consumer.run())
    try:
        async with asyncio.timeout(60), open_producer(settings) as producer:
            messages = [Message(b"k", b"noise", []), *map(event, (1, 2, 3))]
            await producer.publish(TOPIC, [(0, each) for each in messages])
            assert [await handled.get(), await handled.get()] == ["1", "3"]
            letters = await read_dead_letters(
                settings.bootstrap, [f"{TOPIC}.dead", TOPIC, "cagnotte.test.v1.unknown.dead"]
            )
            letters = [each for each in letters if each.topic.endswith(".dead")]
            mended.set()
            sent = await republish(settings.bootstrap, [*letters, *letters])
            assert await handled.get() == "2"
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert handled.empty()
    assert sent == 1
    assert [each.value for each in letters] == [b"noise", b"2"]
    assert "test  cagnotte.test.v1.Happened" in letters[1].line()
    assert "TEST_UNREADABLE: It says so, with ****" in letters[1].line()


def test_json_has_every_header_and_no_card_number() -> None:
    """Whoever reads it sees what the consumer saw, masked."""
    headers = (("ce_id", b"e"), ("dead_detail", b"4111 1111 1111 1111"), ("odd", b"\xff"))
    letter = DeadLetter(f"{TOPIC}.dead", b"k", b"", headers)
    assert letter.to_json() == {
        "topic": f"{TOPIC}.dead",
        "key": "k",
        "headers": {"ce_id": "e", "dead_detail": "**** **** **** 1111", "odd": "\ufffd"},
    }
