"""The consume loop: batches in order, dead letters with a limit, offsets after the effect.

Kafka delivers at least once, so what handles events is idempotent by their ids. A failure
of the world (database, broker) is waited out and retried, never skipped. What no retry
will make readable goes to ``<topic>.dead`` with the reason. Too much of that in a row is a
bug of ours rather than a bad event: then this consumer goes no further, commits nothing, and
tries the same events again after a pause, while the rest of the process goes on.
"""

import asyncio
import collections
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, Generic, NoReturn, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Gauge

from services.common.kernel.errors import Aborted, ResourceExhausted
from services.common.runtime.committed_places import CommittedPlaces
from services.common.runtime.config import KafkaSettings
from services.common.runtime.database import is_infrastructure_failure
from services.common.runtime.dead_letters import DeadLetterLimit, DeadLetters
from services.common.runtime.kafka_events import (
    IncomingEvent,
    Unreadable,
    parse_record,
    parse_sequence,
)
from services.common.runtime.kafka_producer import (
    BROKER_FAILURES,
    Producer,
    client_arguments,
    ensure_topics,
    open_producer,
    start_client,
    stop_client,
)
from services.common.runtime.sequence_guard import SequenceGuard, Verdict
from services.common.runtime.telemetry import Tracing

__all__ = [
    "Consumer",
    "IncomingEvent",
    "Producer",
    "Unreadable",
    "open_producer",
]

E = TypeVar("E")

EVENTS: Final = Counter(
    "cagnotte_events_consumed", "Events by what became of them.", ["group", "topic", "outcome"]
)
LAG: Final = Gauge(
    "cagnotte_consumer_lag", "Events not yet handled.", ["group", "topic", "partition"]
)
STOPPED: Final = Gauge(
    "cagnotte_consumer_stopped",
    "1 while too many events in a row are unreadable and the consumer goes no further.",
    ["group"],
)

_POLL_SECONDS: Final = 0.5
_BACK_OFF_SECONDS_MIN: Final = 0.05
_BACK_OFF_SECONDS_MAX: Final = 5.0
# aiokafka itself would try for ever; joining anew learns what the broker has become.
_COMMIT_SECONDS_MAX: Final = 5.0
# How long a consumer pauses that goes no further; each time in vain doubles it.
_STOP_SECONDS_MIN: Final = 1.0
_STOP_SECONDS_MAX: Final = 60.0
_SESSION_TIMEOUT_SECONDS: Final = 10.0
_POLL_INTERVAL_SECONDS_MAX: Final = 300.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Admitted(Generic[E]):
    """A record that was let through, with what it was read as."""

    record: Any
    event: E


class Consumer(Generic[E]):
    """One member of a consumer group. Run ``run()`` as a loop of the process."""

    def __init__(
        self,
        settings: KafkaSettings,
        *,
        topics: Sequence[str],
        group_id: str,
        parse: Callable[[IncomingEvent], E | None],
        handle: Callable[[Sequence[E]], Awaitable[None]],
        batch_max: int,
        tracing: Tracing | None = None,
    ) -> None:
        """Take its parts.

        ``parse`` gives the event as ``handle`` wants it, nothing for one that is none of
        its business, and raises ``Unreadable`` (or a ``DomainError``) for one that cannot
        be read. ``handle`` takes a batch, each key's events in order, and returns when
        their effects are durable. When it fails for other reasons than infrastructure,
        the events are handled one by one, and the one at fault goes to the dead letters.
        """
        self._settings = settings
        self._topics = list(topics)
        self._group_id = group_id
        self._parse = parse
        self._handle = handle
        self._batch_max = batch_max
        self._tracing = tracing or Tracing()
        self._producer = Producer(settings)
        self._places = CommittedPlaces()
        self._dead_letters = DeadLetters(
            self._producer, group_id=group_id, in_a_row_max=settings.dead_letters_max
        )
        self._stop_seconds = _STOP_SECONDS_MIN
        STOPPED.labels(group_id).set(0)

    async def run(self) -> NoReturn:
        """Consume for ever; the broker may come and go, and dead letters in a row make it pause."""
        pause = _BACK_OFF_SECONDS_MIN
        try:
            while True:
                self._dead_letters.begin_again()
                try:
                    async with self._joined_group() as (client, guard):
                        pause = _BACK_OFF_SECONDS_MIN
                        await self._poll_for_ever(client, guard)
                except DeadLetterLimit as error:
                    await self._stand_still(error)
                except BROKER_FAILURES as error:
                    log.warning("consumer.interrupted", group=self._group_id, error=repr(error))
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _BACK_OFF_SECONDS_MAX)
        finally:
            await self._producer.close()

    async def _stand_still(self, error: DeadLetterLimit) -> None:
        """Wait before the same events are tried again; nothing of them is committed."""
        STOPPED.labels(self._group_id).set(1)
        log.error(
            "consumer.stopped",
            group=self._group_id,
            error=str(error),
            pause_seconds=self._stop_seconds,
        )
        await asyncio.sleep(self._stop_seconds)
        self._stop_seconds = min(2 * self._stop_seconds, _STOP_SECONDS_MAX)

    @asynccontextmanager
    async def _joined_group(self) -> AsyncIterator[tuple[Any, SequenceGuard]]:
        await ensure_topics(self._settings, self._topics)
        guard = SequenceGuard()
        client = AIOKafkaConsumer(
            **client_arguments(self._settings),
            group_id=self._group_id,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=round(_SESSION_TIMEOUT_SECONDS * 1000),
            max_poll_interval_ms=round(_POLL_INTERVAL_SECONDS_MAX * 1000),
        )
        try:
            client.subscribe(self._topics, listener=_ForgetOnAssignment(guard))
            # Joining waits for the group's other members, as long as they may take.
            await start_client(client, seconds_max=None)
            yield client, guard
        finally:
            await stop_client(client)

    async def _poll_for_ever(self, client: Any, guard: SequenceGuard) -> NoReturn:
        while True:
            polled = await client.getmany(
                timeout_ms=round(_POLL_SECONDS * 1000), max_records=self._batch_max
            )
            started = perf_counter()
            await self._places.recall(client, guard, polled)
            offsets: dict[Any, int] = {}
            records = []
            for partition, found in polled.items():
                admitted = await self._admit(client, guard, partition, found)
                records += admitted.records
                if admitted.next_offset is not None:
                    offsets[partition] = admitted.next_offset
            places = self._places.to_commit(guard, offsets)
            if records:
                await self._process(records)
            if places:
                await self._commit(client, places)
                log.info(
                    "consumer.batch_handled",
                    group=self._group_id,
                    events=len(records),
                    duration_ms=round((perf_counter() - started) * 1000, 1),
                )
            self._measure_lag(client, polled)

    async def _admit(
        self, client: Any, guard: SequenceGuard, partition: Any, records: Sequence[Any]
    ) -> "_Admission":
        """Keep the records that follow what was handled, up to the first gap."""
        admission = _Admission([], None)
        for record in records:
            verdict = _judge(guard, record)
            if verdict is Verdict.REWIND:
                log.warning("consumer.log_was_lost", topic=record.topic, partition=record.partition)
                await client.seek_to_beginning(partition)
                self._count(record.topic, "lost")
                break
            if verdict is Verdict.WAIT:
                self._count(record.topic, "lost")
                continue
            if verdict is Verdict.HANDLE:
                admission.records.append(record)
            else:
                self._count(record.topic, "repeated")
            admission.next_offset = record.offset + 1
        return admission

    async def _process(self, records: Sequence[Any]) -> None:
        batch: list[_Admitted[E]] = []
        for record in records:
            try:
                event = self._parse(parse_record(record))
            except Exception as error:  # noqa: BLE001 -- whatever it was, it is buried with it
                if batch:  # What stands before it is handled, whatever comes of it.
                    await self._handle_batch(batch)
                    batch = []
                await self._bury(record, error)
                continue
            if event is None:
                self._count(record.topic, "ignored")
            else:
                batch.append(_Admitted(record, event))
        if batch:
            await self._handle_batch(batch)

    async def _handle_batch(self, batch: Sequence[_Admitted[E]]) -> None:
        pause = _BACK_OFF_SECONDS_MIN
        while True:
            try:
                await self._handle_traced(batch)
            except Exception as error:  # noqa: BLE001 -- the edge of the loop
                if _will_pass(error):
                    log.warning(
                        "consumer.handling_delayed", group=self._group_id, error=repr(error)
                    )
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _BACK_OFF_SECONDS_MAX)
                    continue
                if len(batch) == 1:
                    await self._bury(batch[0].record, error)
                    return
                for item in batch:
                    await self._handle_batch([item])
                return
            self._dead_letters.end_row()
            for topic, events in collections.Counter(item.record.topic for item in batch).items():
                self._count(topic, "handled", events)
            return

    async def _handle_traced(self, batch: Sequence[_Admitted[E]]) -> None:
        """Handle the batch in one span, which continues the trace of its first event."""
        headers = dict(batch[0].record.headers)
        parent = headers.get("traceparent", b"").decode("ascii", "replace")
        name = f"consume {batch[0].record.topic}"
        with self._tracing.span(name, kind=SpanKind.CONSUMER, parent=parent):
            await self._handle([item.event for item in batch])

    async def _bury(self, record: Any, error: Exception) -> None:
        if await self._dead_letters.bury(record, error):
            self._count(record.topic, "dead")
        self._dead_letters.check_row()

    async def _commit(self, client: Any, places: Mapping[Any, OffsetAndMetadata]) -> None:
        try:
            async with asyncio.timeout(_COMMIT_SECONDS_MAX):
                await client.commit(places)
        except (CommitFailedError, IllegalStateError) as error:
            # The group has moved the partitions on; the events come again, to whoever has them.
            log.info("consumer.commit_superseded", group=self._group_id, error=repr(error))
        else:
            self._places.committed(places)
            self._dead_letters.committed({place: each.offset for place, each in places.items()})
            self._stop_seconds = _STOP_SECONDS_MIN
            STOPPED.labels(self._group_id).set(0)

    def _count(self, topic: str, outcome: str, events: int = 1) -> None:
        EVENTS.labels(self._group_id, topic, outcome).inc(events)

    def _measure_lag(self, client: Any, polled: Any) -> None:
        for partition, records in polled.items():
            high = client.highwater(partition)
            if high is not None:
                lag = max(0, high - records[-1].offset - 1)
                LAG.labels(self._group_id, partition.topic, partition.partition).set(lag)


@dataclass(slots=True)
class _Admission:
    """A partition's records to process, and the offset to commit after them, if any."""

    records: list[Any]
    next_offset: int | None


class _ForgetOnAssignment(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Has the guard begin anew with every partition that the group hands out."""

    def __init__(self, guard: SequenceGuard) -> None:
        self._guard = guard

    def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Do nothing: what was handled meanwhile comes again, and is recognised by its id."""

    def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Forget what was handled in them: others may have moved them on."""
        for partition in assigned:
            self._guard.forget((partition.topic, partition.partition))


def _judge(guard: SequenceGuard, record: Any) -> Verdict:
    sequence = parse_sequence(record)
    if sequence is None:
        return Verdict.HANDLE
    source, seq, previous_seq = sequence
    return guard.judge(
        (record.topic, record.partition),
        source=source,
        offset=record.offset,
        seq=seq,
        previous_seq=previous_seq,
    )


def _will_pass(error: Exception) -> bool:
    """Tell whether the same events may succeed later, unchanged."""
    if isinstance(error, ResourceExhausted | Aborted | KafkaError):
        return True
    return is_infrastructure_failure(error)
