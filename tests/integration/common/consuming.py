"""A consumer that a test runs, and the events that it is given: in order, or behind the broker's back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import KafkaSettings
from services.common.runtime.kafka import Consumer, IncomingEvent, Unreadable
from services.common.runtime.kafka_events import Message, render_headers
from tests.integration.common.facts import NOW, TOPIC

GROUP = "test"


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
    group: str = GROUP,
) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a consumer."""
    consumer = Consumer(
        settings, topics=[topic], group_id=group, parse=parse, handle=handle, batch_max=100
    )
    async with running(consumer) as task:
        yield task


@asynccontextmanager
async def running(consumer: Consumer[str]) -> AsyncIterator["asyncio.Task[None]"]:
    """Run a consumer that the test has made; it may be run again."""
    task: asyncio.Task[None] = asyncio.create_task(consumer.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool], *tasks: "asyncio.Task[None]") -> None:
    """Wait until it is so, and fail when a task does."""
    async with asyncio.timeout(60):
        while not condition():
            for task in tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.02)


async def write_unasked(settings: KafkaSettings, bodies: Sequence[bytes]) -> None:
    """Write to the topic's first partition without asking whether there is such a topic."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=False,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=2**20,
    )
    for offset, body in enumerate(bodies):
        headers = list(message(body.decode()).headers)
        builder.append(offset, timestamp=0, key=b"k", value=body, headers=headers)
    client = AIOKafkaClient(bootstrap_servers=settings.bootstrap)
    await client.bootstrap()
    try:
        await client.send(
            client.get_random_node(),
            ProduceRequest(
                transactional_id=None,
                required_acks=-1,
                timeout=5_000,
                topics=[(TOPIC, [(0, builder.build())])],
            ),
        )
    finally:
        await client.close()
