"""The relay: publishes a shard's journal to Kafka, in commit order, at least once.

The journal is the outbox, and the relay only a reader with a cursor. It saves the cursor
after the broker's acknowledgement, so a crash between the two repeats facts by their ids
and never loses or reorders any. Nothing durable depends on the broker, and an acknowledgement
is believed for as long as the log can be read that way: the relay reads where its log ends,
for a reader, before it goes on, and each acknowledgement has to lie behind that. When the last
fact that it saved is not there, or it has nothing saved, the logs say what they have, and the
rest is published again.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Final, NoReturn, Protocol
from uuid import UUID

import structlog
from prometheus_client import Counter, Gauge

from services.common.runtime.database import (
    Connection,
    Database,
    is_infrastructure_failure,
    load_queries,
)
from services.common.runtime.journal import read_head
from services.common.runtime.kafka_events import Message, render_headers
from services.common.runtime.kafka_producer import (
    BROKER_FAILURES,
    Acknowledged,
    OffsetTaken,
    partition_of,
)
from services.common.runtime.log_tail import LastFact, Sought, Tail

QUERIES: Final = load_queries(__package__, "relay.sql")

PUBLISHED: Final = Counter(
    "cagnotte_relay_facts_published", "Facts that the broker acknowledged.", ["topic"]
)
CURSOR: Final = Gauge("cagnotte_relay_cursor", "Sequence of the last published fact.", ["topic"])
FORGOTTEN: Final = Counter(
    "cagnotte_relay_broker_forgot", "Times that the log was published anew.", ["topic"]
)
DISBELIEVED: Final = Counter(
    "cagnotte_relay_acknowledgements_disbelieved",
    "Acknowledgements of facts that not every reader would have seen; they were sent again.",
    ["topic"],
)

_LOOK_SECONDS: Final = 2.0
_GATHER_SECONDS: Final = 0.2
_BACK_OFF_SECONDS_MIN: Final = 0.1
_BACK_OFF_SECONDS_MAX: Final = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OutgoingFact:
    """A fact as it is published; ``type_name`` is the full name of its proto message."""

    seq: int
    event_id: UUID
    type_name: str
    key: bytes
    payload: bytes
    time: datetime
    traceparent: str = ""


class FactSource(Protocol):
    """Reads a service's journal for publication."""

    async def facts_after(
        self, conn: Connection, shard_id: int, seq: int, limit: int
    ) -> Sequence[OutgoingFact]:
        """Give at most ``limit`` facts that follow ``seq``, in order; none at the end."""
        ...


class ProducesInOrder(Protocol):
    """The part of ``Producer`` that a relay needs."""

    async def partitions(self, topic: str) -> int:
        """See ``Producer.partitions``."""
        ...

    async def publish(
        self, topic: str, messages: Sequence[tuple[int, Message]], *, ends: Mapping[int, int]
    ) -> Mapping[int, Acknowledged]:
        """See ``Producer.publish``."""
        ...

    async def log_ends(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        """See ``Producer.log_ends``."""
        ...

    async def log_tails(self, topic: str, sought: Mapping[int, Sought]) -> Mapping[int, Tail]:
        """See ``Producer.log_tails``."""
        ...

    async def last_facts(self, topic: str, source: str) -> Mapping[int, LastFact]:
        """See ``Producer.last_facts``."""
        ...


@dataclass(slots=True)
class _Place:
    """The last acknowledged fact of a partition, and the offset of its batch there."""

    log_offset: int
    seq: int


@dataclass(slots=True)
class _Progress:
    seq: int
    places: dict[int, _Place]
    ends: dict[int, int]
    """Where each partition's log ends for a reader; every fact so far lies before it."""
    look_seconds: float
    """When the broker was last known to remember, on the monotonic clock."""
    is_read_back: bool = True
    """Whether the first facts of every log have been read there, some time after their acknowledgement."""


class Relay:
    """One shard's relay; of several processes that run it, one holds the lease."""

    def __init__(
        self,
        db: Database,
        producer: ProducesInOrder,
        source: FactSource,
        *,
        topic: str,
        shard_id: int,
        batch_max: int,
        idle_seconds: float,
    ) -> None:
        """Take its parts; ``idle_seconds`` is how long it sleeps when nobody wakes it."""
        self._db = db
        self._producer = producer
        self._source = source
        self._topic = topic
        self._shard_id = shard_id
        self._batch_max = batch_max
        self._idle_seconds = idle_seconds
        self._wake = asyncio.Event()
        # cagnotte.points.v1.loyalty is the topic of the source /points/0.
        self._ce_source = f"/{topic.split('.')[1]}/{shard_id}"

    def wake(self) -> None:
        """Tell it that facts were committed; cheap, call it after every batch."""
        self._wake.set()

    async def run(self) -> NoReturn:
        """Publish for ever; broker and database may come and go."""
        pause = _BACK_OFF_SECONDS_MIN
        while True:
            started = monotonic()
            try:
                async with self._db.lease(f"relay/{self._topic}/{self._shard_id}") as conn:
                    await self._publish_for_ever(conn)
            except Exception as error:
                if not isinstance(error, BROKER_FAILURES) and not is_infrastructure_failure(error):
                    raise
                if monotonic() - started > _BACK_OFF_SECONDS_MAX:
                    pause = _BACK_OFF_SECONDS_MIN
                if isinstance(error, OffsetTaken):
                    DISBELIEVED.labels(self._topic).inc()
                log.warning(
                    "relay.interrupted", topic=self._topic, error=repr(error), pause_seconds=pause
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, _BACK_OFF_SECONDS_MAX)

    async def _publish_for_ever(self, conn: Connection) -> NoReturn:
        # A cursor that a crash sets back only repeats facts, which have their ids: it need not wait for the disk.
        await conn.execute("SET synchronous_commit TO off")
        progress = await self._recall(conn)
        while True:
            self._wake.clear()
            looked = monotonic()
            head = await read_head(conn, self._shard_id)
            facts = await self._source.facts_after(
                conn, self._shard_id, progress.seq, self._batch_max
            )
            if monotonic() - progress.look_seconds > _LOOK_SECONDS:
                if not progress.is_read_back or not await self._broker_remembers(progress):
                    progress = await self._recall(conn)
                    continue
                progress.look_seconds = monotonic()
            if facts:
                await self._publish(conn, progress, facts)
            if len(facts) < self._batch_max:
                await self._pass_unpublished(conn, progress, head.seq)
                await self._sleep(looked)

    async def _pass_unpublished(self, conn: Connection, progress: _Progress, seq: int) -> None:
        """Move the cursor over facts that concern nobody outside, up to a head read before.

        Without it, a journal that ends with such a fact would look as if something were on its way.
        """
        if progress.seq < seq:
            await self._save(conn, seq, {})
            progress.seq = seq
            CURSOR.labels(self._topic).set(seq)

    async def _sleep(self, looked_seconds: float) -> None:
        """Wait for facts. The first after a rest leaves at once; those of a busy moment gather and leave together."""
        await asyncio.sleep(max(0.0, looked_seconds + _GATHER_SECONDS - monotonic()))
        try:
            async with asyncio.timeout(self._idle_seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _recall(self, conn: Connection) -> _Progress:
        """Read the progress; if there is none, or its last facts are not in the logs, find it there."""
        seq = await conn.fetchval(QUERIES["read_cursor"], self._shard_id)
        rows = await conn.fetch(QUERIES["read_offsets"], self._shard_id, self._topic)
        places = {row["partition"]: _Place(row["log_offset"], row["seq"]) for row in rows}
        tails = await self._producer.log_tails(
            self._topic,
            {
                partition: Sought(place.log_offset, self._ce_source, place.seq)
                for partition, place in places.items()
            },
        )
        lost = {
            partition
            for partition in places
            if partition not in tails or not tails[partition].holds
        }
        if lost:
            FORGOTTEN.labels(self._topic).inc()
        if lost or seq is None:
            for partition in lost:
                del places[partition]
            return await self._find_progress(conn, places, _ends(tails))
        log.info("relay.resumed", topic=self._topic, shard_id=self._shard_id, seq=seq)
        return _Progress(seq, places, _ends(tails), monotonic())

    async def _find_progress(
        self, conn: Connection, places: dict[int, _Place], ends: dict[int, int]
    ) -> _Progress:
        """Take up what the logs have: each partition's facts up to the last one that a consumer comes to.

        An empty log has none, and then the whole journal is published. So it is when what is found is not of this
        journal, which may have been restored to an earlier time.
        """
        found = await self._producer.last_facts(self._topic, self._ce_source)
        if await self._are_ours(conn, found.values()):
            places |= {each: _Place(fact.log_offset, fact.seq) for each, fact in found.items()}
        else:
            places = {}
        seq = min(places[each].seq if each in places else 0 for each in ends)
        await conn.execute(QUERIES["forget_progress"], self._shard_id, self._topic)
        await self._save(conn, seq, places)
        log.warning("relay.read_the_logs", topic=self._topic, shard_id=self._shard_id, seq=seq)
        return _Progress(seq, places, ends, monotonic())

    async def _are_ours(self, conn: Connection, found: Iterable[LastFact]) -> bool:
        for fact in found:
            facts = await self._source.facts_after(conn, self._shard_id, fact.seq - 1, 1)
            if [str(each.event_id).encode() for each in facts] != [fact.event_id]:
                return False
        return True

    async def _broker_remembers(self, progress: _Progress) -> bool:
        ends = await self._producer.log_ends(self._topic, list(progress.places))
        return all(
            ends.get(partition, 0) > place.log_offset
            for partition, place in progress.places.items()
        )

    async def _publish(
        self, conn: Connection, progress: _Progress, facts: Sequence[OutgoingFact]
    ) -> None:
        """Send, wait for every acknowledgement, then save and move the progress on."""
        count = await self._producer.partitions(self._topic)
        last_seqs = {partition: place.seq for partition, place in progress.places.items()}
        messages = []
        for fact in facts:
            partition = partition_of(fact.key, count)
            if fact.seq <= last_seqs.get(partition, 0):
                continue  # This log has it already; others lost theirs.
            messages.append((partition, self._render(fact, last_seqs.get(partition, 0))))
            last_seqs[partition] = fact.seq
        acknowledged = await self._producer.publish(self._topic, messages, ends=progress.ends)
        moved = {
            partition: _Place(place.last_batch, last_seqs[partition])
            for partition, place in acknowledged.items()
        }
        await self._save(conn, facts[-1].seq, moved)
        # A log may begin before its topic is wholly made, and lose its beginning when that is done.
        progress.is_read_back &= moved.keys() <= progress.places.keys()
        progress.places |= moved
        progress.ends |= {partition: place.end for partition, place in acknowledged.items()}
        progress.seq = facts[-1].seq
        if messages:
            progress.look_seconds = monotonic()
        PUBLISHED.labels(self._topic).inc(len(messages))
        CURSOR.labels(self._topic).set(facts[-1].seq)

    async def _save(self, conn: Connection, seq: int, moved: Mapping[int, _Place]) -> None:
        await conn.execute(
            QUERIES["save_progress"],
            self._shard_id,
            seq,
            self._topic,
            list(moved),
            [place.log_offset for place in moved.values()],
            [place.seq for place in moved.values()],
        )

    def _render(self, fact: OutgoingFact, previous_seq: int) -> Message:
        headers = render_headers(
            event_id=fact.event_id,
            type_name=fact.type_name,
            source=self._ce_source,
            time=fact.time,
            seq=fact.seq,
            previous_seq=previous_seq,
            traceparent=fact.traceparent,
        )
        return Message(fact.key, fact.payload, headers)


def _ends(tails: Mapping[int, Tail]) -> dict[int, int]:
    return {partition: tail.end for partition, tail in tails.items()}
