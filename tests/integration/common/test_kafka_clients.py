"""Kafka clients that are cancelled while they start: nothing of them stays open."""

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection

from services.common.runtime.config import KafkaSettings
from services.common.runtime.kafka import open_producer
from services.common.runtime.kafka_producer import ensure_topics
from services.common.testing.kafka import Broker
from tests.integration.common.consuming import consuming, message
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


async def publish(settings: KafkaSettings) -> None:
    """Send a message."""
    async with open_producer(settings) as producer:
        await producer.publish(TOPIC, [(0, message("1"))])


def cancel_at(
    monkeypatch: pytest.MonkeyPatch, kind: str, number: int
) -> list["asyncio.Task[None]"]:
    """Have whoever is in the list cancelled when a client sends a request of a kind for this time, from 0."""
    send = AIOKafkaConnection.send
    asked = 0
    victims: list[asyncio.Task[None]] = []

    def send_or_cancel(connection: Any, request: Any, **options: Any) -> Any:
        nonlocal asked
        if kind in type(request).__name__:
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
    begin: Callable[[KafkaSettings], Coroutine[None, None, None]],
    number: int,
) -> None:
    """Whoever goes away while a client asks for the cluster's metadata leaves nothing that the collector would find."""
    settings = broker.settings(partitions=1)

    assert await left_open(begin(settings), cancel_at(monkeypatch, "Metadata", number)) == []


async def test_a_cancelled_message_leaves_no_connection_open(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever goes away while a message is on its way leaves none of the producer's clients."""
    settings = broker.settings(partitions=1)

    assert await left_open(publish(settings), cancel_at(monkeypatch, "Produce", 0)) == []


async def left_open(
    work: Coroutine[None, None, None], victims: list["asyncio.Task[None]"]
) -> list[str]:
    """Do something that is cancelled in the middle, and name what the collector finds open after it."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        task = asyncio.create_task(work)
        victims.append(task)
        async with asyncio.timeout(60):
            await asyncio.wait([task])
        victims.clear()
        del task, work
        gc.collect()
    return [str(warning.message) for warning in seen if warning.category is ResourceWarning]
