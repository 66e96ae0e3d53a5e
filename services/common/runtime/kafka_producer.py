"""Sending to Kafka in order, and asking where its logs end.

Connects when first used and again after any failure, so that a service starts and goes on
while the broker is away.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from ssl import create_default_context
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.partitioner import murmur2

from services.common.runtime.config import KafkaSettings
from services.common.runtime.kafka_events import Message
from services.common.runtime.log_tail import LastFact, Sought, Tail, find_last_facts, read_tails

BROKER_FAILURES: Final = (KafkaError, OSError, TimeoutError)
"""What calls to a broker that is away, or not quite well, end with."""

_REQUEST_TIMEOUT_SECONDS: Final = 10.0
_PUBLISH_TIMEOUT_SECONDS: Final = 30.0
_STOP_TIMEOUT_SECONDS: Final = 3.0
_START_GRACE_SECONDS: Final = 1.0
_METADATA_AGE_SECONDS: Final = 30.0
_BATCH_BYTES_MAX: Final = 512 * 1024
_KEYS_CACHED: Final = 65_536
_ANY_PLACE: Final = -1
"""What no offset lies before, nor the -1 of messages that Kafka had already, wherever they are."""
_READER: Final = {
    "group_id": None,
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
}
"""How a client reads on its own account, without a group."""

log = structlog.get_logger(__name__)


class OffsetTaken(KafkaError):  # type: ignore[misc]  # aiokafka has no types
    """The broker put messages where others lie already: readers beyond that place never see them."""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Where a partition's share of the messages lies in its log.

    ``last_batch`` is where the last batch begins: the only offset that every broker's log end is known to lie beyond
    (Tansu's answer to ListOffsets counts the last batch as one message). ``end`` follows the last message.
    """

    last_batch: int
    end: int


class Producer:
    """Publishes messages; those of one key stay in order, even when sending fails midway."""

    def __init__(self, settings: KafkaSettings) -> None:
        """Take the settings; nothing is connected yet."""
        self._settings = settings
        self._producer: Any = None
        self._observer: Any = None
        self._topics: set[str] = set()

    async def partitions(self, topic: str) -> int:
        """Give the number of the topic's partitions, making the topic if need be."""
        async with self._connected() as producer:
            return await self._partitions(producer, topic)

    async def publish(
        self,
        topic: str,
        messages: Iterable[tuple[int, Message]],
        *,
        ends: Mapping[int, int] | None = None,
    ) -> dict[int, Acknowledged]:
        """Send (partition, message) pairs, and give each partition's place in its log.

        A partition has one request on its way at a time, and nothing follows a failed one:
        sending everything again after an exception repeats messages, but never reorders.
        ``ends`` says where the partitions' logs end for a reader, as far as the caller knows.

        Raises:
            OffsetTaken: messages were put before the end of a log.
            KafkaError, OSError, TimeoutError: any of the messages may not have arrived.
        """
        known = ends or {}
        shares: dict[int, list[Message]] = {}
        for partition, message in messages:
            shares.setdefault(partition, []).append(message)
        async with self._connected() as producer:
            await self._partitions(producer, topic)
            async with asyncio.timeout(_PUBLISH_TIMEOUT_SECONDS):
                answers = await asyncio.gather(
                    *(
                        _send_share(producer, topic, *share, end=known.get(share[0], _ANY_PLACE))
                        for share in shares.items()
                    ),
                    return_exceptions=True,
                )
        places = {}
        for partition, answer in zip(shares, answers, strict=True):
            if isinstance(answer, BaseException):
                await self._disconnect()
                raise answer
            places[partition] = answer
        return places

    async def log_ends(self, topic: str, partitions: Collection[int]) -> dict[int, int]:
        """Give the next offset of those of the partitions that exist.

        Raises:
            KafkaError, OSError, TimeoutError: the broker did not say.
        """
        async with self._connected() as producer:
            count = await self._partitions(producer, topic)
            asked = [TopicPartition(topic, index) for index in partitions if index < count]
            async with asyncio.timeout(_REQUEST_TIMEOUT_SECONDS):
                ends = await self._observer.end_offsets(asked)
        return {place.partition: end for place, end in ends.items()}

    async def log_tails(self, topic: str, sought: Mapping[int, Sought]) -> dict[int, Tail]:
        """Read every partition to its end; see ``read_tails``.

        Raises:
            KafkaError, OSError, TimeoutError: the broker did not say.
        """
        async with self._reading(topic) as (reader, count):
            return await read_tails(
                reader, topic, {partition: sought.get(partition) for partition in range(count)}
            )

    async def last_facts(self, topic: str, source: str) -> dict[int, LastFact]:
        """Find the last fact of a source in each partition that has any; see ``find_last_facts``.

        Raises:
            KafkaError, OSError, TimeoutError: the broker did not say.
        """
        async with self._reading(topic) as (reader, count):
            return await find_last_facts(reader, topic, source, range(count))

    async def close(self) -> None:
        """Disconnect."""
        await self._disconnect()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Any]:
        """Lend the connected client, and let go of it when the body fails."""
        try:
            if self._producer is None:
                await self._connect()
            yield self._producer
        except BROKER_FAILURES:
            await self._disconnect()
            raise

    @asynccontextmanager
    async def _reading(self, topic: str) -> AsyncIterator[tuple[AIOKafkaConsumer, int]]:
        """Lend a client that reads the topic, and say how many partitions that has."""
        async with self._connected() as producer:
            count = await self._partitions(producer, topic)
            reader = AIOKafkaConsumer(**client_arguments(self._settings), **_READER)
            try:
                await start_client(reader)
                yield reader, count
            finally:
                await stop_client(reader)

    async def _connect(self) -> None:
        arguments = client_arguments(self._settings)
        producer = AIOKafkaProducer(
            **arguments,
            acks="all",
            enable_idempotence=self._settings.idempotent,
            max_batch_size=_BATCH_BYTES_MAX,
        )
        observer = AIOKafkaConsumer(**arguments, **_READER)
        self._producer, self._observer = producer, observer
        await start_client(producer)
        await start_client(observer)

    async def _disconnect(self) -> None:
        producer, observer = self._producer, self._observer
        self._producer = self._observer = None
        self._topics.clear()
        try:
            if producer is not None:
                await _abandon(producer)
        finally:
            if observer is not None:
                await stop_client(observer)

    async def _partitions(self, producer: Any, topic: str) -> int:
        if topic not in self._topics:
            await ensure_topics(self._settings, [topic])
            self._topics.add(topic)
        async with asyncio.timeout(_REQUEST_TIMEOUT_SECONDS):
            return len(await producer.partitions_for(topic))


@asynccontextmanager
async def open_producer(settings: KafkaSettings) -> AsyncIterator[Producer]:
    """Lend a producer; idempotent where the settings say that the broker can."""
    producer = Producer(settings)
    try:
        yield producer
    finally:
        await producer.close()


@lru_cache(maxsize=_KEYS_CACHED)
def partition_of(key: bytes, partitions: int) -> int:
    """Give a key's partition as Kafka's Java client does (murmur2), so that clients agree."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)


async def ensure_topics(settings: KafkaSettings, topics: Sequence[str]) -> None:
    """Create the topics that do not exist, as the settings say; a refusal is only logged.

    Real clusters have their topics made beforehand (``deploy/kafka/topics.yaml``).
    """
    admin = AIOKafkaAdminClient(**client_arguments(settings))
    try:
        await start_client(admin)
        async with asyncio.timeout(_REQUEST_TIMEOUT_SECONDS):
            answer = await admin.create_topics(
                [
                    NewTopic(name, settings.partitions, settings.replication_factor)
                    for name in topics
                ]
            )
    finally:
        await stop_client(admin, method="close")
    for name, code, *_ in answer.topic_errors:
        if code not in (0, TopicAlreadyExistsError.errno):
            log.warning("kafka.topic_refused", topic=name, error=for_code(code).__name__)


def client_arguments(settings: KafkaSettings) -> dict[str, Any]:
    """Give what every Kafka client of a service is made with."""
    arguments: dict[str, Any] = {
        "bootstrap_servers": settings.bootstrap,
        "security_protocol": settings.security_protocol,
        "request_timeout_ms": round(_REQUEST_TIMEOUT_SECONDS * 1000),
        "metadata_max_age_ms": round(_METADATA_AGE_SECONDS * 1000),
    }
    if settings.security_protocol.endswith("SSL"):
        arguments["ssl_context"] = create_default_context(
            cafile=str(settings.ca_file) if settings.ca_file else None
        )
    if settings.sasl_mechanism is not None:
        password = settings.sasl_password
        arguments["sasl_mechanism"] = settings.sasl_mechanism
        arguments["sasl_plain_username"] = settings.sasl_username
        arguments["sasl_plain_password"] = password.get_secret_value() if password else None
    return arguments


async def start_client(
    client: Any, *, seconds_max: float | None = _REQUEST_TIMEOUT_SECONDS
) -> None:
    """Start a client, which is stopped with ``stop_client`` whatever comes of it.

    aiokafka forgets its first connection, open, where its start is cancelled while it asks for the cluster's metadata.
    So whoever goes away meanwhile, or has waited for too long, first gives the start a moment to get past that.

    Raises:
        KafkaError, OSError, TimeoutError: the broker did not answer.
    """
    start = asyncio.create_task(client.start())
    try:
        async with asyncio.timeout(seconds_max):
            await asyncio.shield(start)
    finally:
        if not start.done():
            await asyncio.wait([start], timeout=_START_GRACE_SECONDS)
            start.cancel()
            await asyncio.gather(start, return_exceptions=True)


async def stop_client(client: Any, *, method: str = "stop") -> None:
    """Stop a client whose broker may be gone, within a limit; what it says is of no use.

    aiokafka passes the cancellation of its own tasks on to whoever stops it: its consumer, stopped while it fetches
    from a dead broker, and its producer, whose sender was cut off. Nobody cancelled the caller then, who must not end
    of it, also where it stops clients because it was cancelled before. What the client left is ended here.
    """
    task = asyncio.current_task()
    cancelled_before = 0 if task is None else task.cancelling()
    try:
        async with asyncio.timeout(_STOP_TIMEOUT_SECONDS):
            await getattr(client, method)()
    except (*BROKER_FAILURES, asyncio.CancelledError) as error:
        log.debug("kafka.client_stopped_hard", error=type(error).__name__)
        await _end_remains(client)
        if task is not None and task.cancelling() > cancelled_before:
            raise


async def _end_remains(client: Any) -> None:
    """End the fetching and close the connections of a client that did not stop as it should."""
    fetch = getattr(getattr(client, "_fetcher", None), "_fetch_task", None)
    if fetch is not None:
        fetch.cancel()
        await asyncio.wait([fetch], timeout=_STOP_TIMEOUT_SECONDS)
    connections = getattr(client, "_client", None)
    if connections is not None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_TIMEOUT_SECONDS):
                await connections.close()


async def _abandon(producer: Any) -> None:
    """Stop a producer without sending what it still has.

    ``publish`` waits for every acknowledgement, so whatever is left belongs to a call that has failed and will be made
    again. Stopped as usual, the client would try to send it first; cut off in that, its sender would live on, come back
    with the broker, and write the old messages into the same partitions beside the next client's.
    """
    # aiokafka has no public way to close without flushing.
    sender, accumulator = producer._sender, producer._message_accumulator  # noqa: SLF001
    task = None if sender is None else sender.sender_task
    if task is not None and not task.done():
        task.cancel()
        await stop_client(producer.client, method="close")
        await asyncio.wait([task], timeout=_STOP_TIMEOUT_SECONDS)
        accumulator.fail_all(KafkaConnectionError("The producer was abandoned."))
    await stop_client(producer)


async def _send_share(
    producer: Any, topic: str, partition: int, messages: list[Message], *, end: int
) -> Acknowledged:
    """Send one partition's messages batch by batch, each after the one before arrived at its place."""
    base = -1
    batch = producer.create_batch()
    for message in [*messages, None]:
        if message is not None and _append(batch, message):
            continue
        acknowledgement = await producer.send_batch(batch, topic, partition=partition)
        base = (await acknowledgement).offset
        if base < end:
            raise OffsetTaken(f"{topic}/{partition} put messages at {base}, before its end")
        end = base + batch.record_count()
        if message is not None:
            batch = producer.create_batch()
            fits = _append(batch, message)
            assert fits, "a first message always fits"
    return Acknowledged(base, end)


def _append(batch: Any, message: Message) -> bool:
    appended = batch.append(
        timestamp=None, key=message.key, value=message.value, headers=message.headers
    )
    return appended is not None
