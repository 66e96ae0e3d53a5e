"""What the stack has published: the topics read from their beginning, as any consumer may."""

import asyncio
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from google.protobuf.message import Message

CHECKOUTS = "cagnotte.wallet.v1.checkouts"
TOPICS = (
    "cagnotte.points.v1.loyalty",
    "cagnotte.points.v1.loyalty.dead",
    CHECKOUTS,
    f"{CHECKOUTS}.dead",
    "cagnotte.ledger.v1.journal",
    "cagnotte.ledger.v1.journal.dead",
)
READ_SECONDS_MAX = 120.0

Event = TypeVar("Event", bound=Message)


async def read_topic(kafka: str, topic: str) -> list[Any]:
    """Give every record of a topic, partition by partition."""
    records: list[Any] = []
    async with (
        asyncio.timeout(READ_SECONDS_MAX),
        AIOKafkaConsumer(bootstrap_servers=kafka, auto_offset_reset="earliest") as consumer,
    ):
        consumer.subscribe([topic])
        numbers = None
        while not numbers:
            await consumer.getmany(timeout_ms=100)
            numbers = consumer.partitions_for_topic(topic)
        consumer.unsubscribe()
        partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        waiting = {partition for partition in partitions if ends[partition]}
        while waiting:
            batches = await consumer.getmany(*waiting, timeout_ms=500)
            for batch in batches.values():
                records += batch
            waiting = {each for each in waiting if await consumer.position(each) < ends[each]}
    return records


def events_of(records: list[Any], kind: type[Event]) -> list[Event]:
    """Give the events of one type."""
    name = kind.DESCRIPTOR.full_name.encode()
    return [
        kind.FromString(record.value)
        for record in records
        if dict(record.headers)["ce_type"] == name
    ]
