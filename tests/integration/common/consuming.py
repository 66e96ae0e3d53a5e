"""A consumer that a test runs, and the events that it is given."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import KafkaSettings
from services.common.runtime.kafka import Consumer, IncomingEvent, Unreadable
from services.common.runtime.kafka_events import Message, render_headers
from tests.integration.common.facts import NOW, TOPIC


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
