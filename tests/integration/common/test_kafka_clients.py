"""Kafka clients that are cancelled while they start: nothing of them stays open."""

import asyncio
import gc
import warnings
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection

from services.common.runtime.config import KafkaSettings
from services.common.runtime.kafka import open_producer
from services.common.runtime.kafka_producer import ensure_topics
from services.common.testing.kafka import Broker
from tests.integration.common.consuming import consuming
from tests.integration.common.facts import TOPIC


async def make_topic(settings: KafkaSettings) -> None:
    """Start an admin client."""
    await ensure_topics(settings, [TOPIC])


async def produce(settings: KafkaSettings) -> None:
    """Start a producer and its observer."""
    async with open_producer(settings) as producer:
        await producer.partitions(TOPIC)


async def read_tails(settings: KafkaSettings) -> None:
    """Start a reader without a group."""
    async with open_producer(settings) as producer:
        await producer.log_tails(TOPIC, {})


async def consume(settings: KafkaSettings) -> None:
    """Start a member of a group."""

    async def handle(_: Sequence[str]) -> None:
        raise AssertionError("nothing is there to be handled")

    async with consuming(settings, handle) as consumer:
        await consumer


def cancel_at_metadata(monkeypatch: pytest.MonkeyPatch, number: int) -> list["asyncio.Task[None]"]:
    """Have whoever is in the list cancelled when a client asks for metadata for this time, from 0."""
    send = AIOKafkaConnection.send
    asked = 0
    victims: list[asyncio.Task[None]] = []

    def send_or_cancel(connection: Any, request: Any, **options: Any) -> Any:
        nonlocal asked
        if "Metadata" in type(request).__name__:
            if asked == number:
                victims[0].cancel()
            asked += 1
        return send(connection, request, **options)

    monkeypatch.setattr(AIOKafkaConnection, "send", send_or_cancel)
    return victims


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("begin", [make_topic, produce, read_tails, consume])
async def test_a_cancelled_start_leaves_no_connection_open(
    broker: Broker,
    monkeypatch: pytest.MonkeyPatch,
    begin: Callable[[KafkaSettings], Awaitable[None]],
    number: int,
) -> None:
    """Whoever goes away while a client asks for the cluster's metadata leaves nothing that the collector would find."""

    async def run() -> None:
        await begin(broker.settings(partitions=1))

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        victims = cancel_at_metadata(monkeypatch, number)
        task = asyncio.create_task(run())
        victims.append(task)
        async with asyncio.timeout(60):
            await asyncio.wait([task])
        monkeypatch.undo()
        del task, victims
        gc.collect()
    assert not [str(warning.message) for warning in seen if warning.category is ResourceWarning]
