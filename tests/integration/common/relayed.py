"""A relay at work before a broker that forgets, fails and loses as a test asks."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import asyncpg

from services.common.runtime.database import Connection, Database
from services.common.runtime.kafka_events import Message
from services.common.runtime.kafka_producer import Acknowledged, OffsetTaken
from services.common.runtime.log_tail import LastFact, Sought, Tail
from services.common.runtime.relay import OutgoingFact, Relay
from services.common.testing.postgres import TestDatabase
from tests.integration.common.facts import TOPIC, JournalFacts

PARTITIONS = 3


class FakeBroker:
    """Logs in memory; may lose an answer, or what it acknowledged, be away, or forget."""

    def __init__(self) -> None:
        self.logs: list[list[Message]] = [[] for _ in range(PARTITIONS)]
        self.answers_to_lose = 0
        self.batches_to_drop = 0
        self.away = False

    async def partitions(self, topic: str) -> int:
        """Say how many there are."""
        assert topic == TOPIC
        if self.away:
            raise ConnectionRefusedError
        return PARTITIONS

    async def publish(
        self, topic: str, messages: Sequence[tuple[int, Message]], *, ends: Mapping[int, int]
    ) -> Mapping[int, Acknowledged]:
        """Append, and then maybe die before the answer, or only say that it was done."""
        await self.partitions(topic)
        before = [list(log) for log in self.logs]
        places: dict[int, Acknowledged] = {}
        for partition, message in messages:
            log = self.logs[partition]
            first = places[partition].last_batch if partition in places else len(log)
            log.append(message)
            places[partition] = Acknowledged(last_batch=first, end=len(log))
        if self.answers_to_lose:
            self.answers_to_lose -= 1
            raise ConnectionResetError
        if any(place.last_batch < ends[partition] for partition, place in places.items()):
            raise OffsetTaken
        if self.batches_to_drop:
            self.batches_to_drop -= 1
            self.logs = before
        return places

    async def log_ends(self, topic: str, partitions: Sequence[int]) -> Mapping[int, int]:
        """Say where the logs end."""
        await self.partitions(topic)
        return {partition: len(self.logs[partition]) for partition in partitions}

    async def log_tails(self, topic: str, sought: Mapping[int, Sought]) -> Mapping[int, Tail]:
        """Look whether what is sought lies at its place or after it."""
        await self.partitions(topic)
        return {
            partition: Tail(
                end=len(log),
                holds=partition not in sought
                or sought[partition].seq in self.seqs()[partition][sought[partition].log_offset :],
            )
            for partition, log in enumerate(self.logs)
        }

    async def last_facts(self, topic: str, source: str) -> Mapping[int, LastFact]:
        """Look where the source's facts end, as a consumer finds it that reads each log from its beginning."""
        await self.partitions(topic)
        found: dict[int, LastFact] = {}
        for partition, log in enumerate(self.logs):
            for offset, message in enumerate(log):
                headers = dict(message.headers)
                last = found[partition].seq if partition in found else 0
                if headers.get("ce_source") == source.encode() and (
                    int(headers["ce_previous"]) <= last < int(headers["ce_sequence"])
                ):
                    found[partition] = LastFact(
                        offset, int(headers["ce_sequence"]), headers["ce_id"]
                    )
        return found

    def forget(self) -> None:
        """Lose all logs."""
        self.logs = [[] for _ in range(PARTITIONS)]

    def seqs(self) -> list[list[int]]:
        """Give each partition's sequences in the order of its log."""
        return [[int(dict(m.headers).get("ce_sequence", 0)) for m in log] for log in self.logs]


class NothingToPublish:
    """A journal whose facts concern nobody outside."""

    async def facts_after(
        self, conn: Connection, shard_id: int, seq: int, limit: int
    ) -> Sequence[OutgoingFact]:
        """Give none."""
        del conn, shard_id, seq, limit
        return []


class InterruptedFacts(JournalFacts):
    """The journal's facts, over a session that ends as it is asked."""

    def __init__(self, *, failures: int) -> None:
        self.failures = failures

    async def facts_after(
        self, conn: Connection, shard_id: int, seq: int, limit: int
    ) -> list[OutgoingFact]:
        """Fail as asyncpg does, a few times."""
        if self.failures:
            self.failures -= 1
            raise asyncpg.InternalClientError(
                "cannot switch to state 12; another operation (2) is in progress"
            )
        return await super().facts_after(conn, shard_id, seq, limit)


@asynccontextmanager
async def relaying(
    db: Database, broker: FakeBroker, *, source: JournalFacts | None = None
) -> AsyncIterator[Relay]:
    """Run a relay with small batches."""
    relay = Relay(
        db,
        broker,
        source or JournalFacts(),
        topic=TOPIC,
        shard_id=0,
        batch_max=7,
        idle_seconds=0.02,
    )
    running = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    """Wait until it is so; a test that waits in vain fails after a while."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 -- a fake has nothing to wait on
            await asyncio.sleep(0.01)


def first_sightings(seqs: Sequence[int]) -> list[int]:
    """Drop repetitions."""
    return list(dict.fromkeys(seqs))


def arrived(broker: FakeBroker, count: int) -> bool:
    """Tell whether all of the first ``count`` facts are there."""
    return {seq for log in broker.seqs() for seq in log} == set(range(1, count + 1))


async def forget_progress(database: TestDatabase) -> None:
    """Lose what the relay has saved."""
    async with database.open_as_owner() as conn:
        await conn.execute("TRUNCATE relay_offset, relay_cursor")


def renamed(message: Message) -> list[tuple[str, bytes]]:
    """Give a message's headers with another event's id."""
    own = dict(message.headers) | {"ce_id": b"0199c0de-0000-7000-8000-000000000001"}
    return list(own.items())


def assert_chained(broker: FakeBroker) -> None:
    """Check that each fact names the one before it in its log."""
    for log in broker.logs:
        previous = b"0"
        for message in log:
            headers = dict(message.headers)
            assert headers["ce_previous"] == previous
            previous = headers["ce_sequence"]
