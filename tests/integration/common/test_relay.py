"""The relay: in order, at least once, through lost answers and a broker that forgets."""

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
from tests.integration.common.facts import TOPIC, JournalFacts, journal, make_facts

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
    async with asyncio.timeout(20):
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


class TestRelay:
    """Publishing a journal."""

    async def test_publishes_in_order_once(self, db: Database) -> None:
        """Undisturbed, every fact arrives exactly once, each partition in commit order."""
        broker = FakeBroker()
        async with relaying(db, broker) as relay:
            for _ in range(3):
                await journal(db, make_facts(20))
                relay.wake()
            await until(lambda: arrived(broker, 60))

        seqs = broker.seqs()
        assert sum(len(log) for log in seqs) == 60
        assert all(log == sorted(log) for log in seqs)

    async def test_names_the_fact_before_in_its_partition(self, db: Database) -> None:
        """Headers are CloudEvents, with the chain that a consumer checks."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 30))

        for log in broker.logs:
            previous = b"0"
            for message in log:
                headers = dict(message.headers)
                assert headers["ce_previous"] == previous
                assert headers["ce_source"] == b"/points/0"
                assert headers["ce_type"] == b"cagnotte.test.v1.Happened"
                assert headers["ce_time"] == b"2017-01-02T03:04:05.678901+00:00"
                previous = headers["ce_sequence"]

    async def test_a_crash_between_sending_and_saving_only_repeats(self, db: Database) -> None:
        """Nothing is lost, order holds, and what comes twice has the same id and bytes."""
        broker = FakeBroker()
        broker.answers_to_lose = 2
        await journal(db, make_facts(40))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 40))

        seqs = broker.seqs()
        assert sum(len(log) for log in seqs) > 40
        for log, found in zip(broker.logs, seqs, strict=True):
            assert first_sightings(found) == sorted(set(found))
            bodies = {(dict(m.headers)["ce_id"], m.key, m.value) for m in log}
            assert len(bodies) == len(set(found))

    async def test_resumes_where_it_was(self, db: Database) -> None:
        """Another process goes on from the saved cursor."""
        broker = FakeBroker()
        await journal(db, make_facts(10))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 10))
        await journal(db, make_facts(10))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 20))

        assert all(first_sightings(log) == sorted(set(log)) for log in broker.seqs())

    async def test_passes_what_it_does_not_publish(self, db: Database) -> None:
        """A journal that ends with a fact for nobody outside has nothing under way."""
        await journal(db, make_facts(10))

        relay = Relay(
            db,
            FakeBroker(),
            NothingToPublish(),
            topic=TOPIC,
            shard_id=0,
            batch_max=7,
            idle_seconds=0.02,
        )
        running = asyncio.create_task(relay.run())
        async with asyncio.timeout(20), db.connection() as conn:
            while await conn.fetchval("SELECT seq FROM relay_cursor") != 10:  # noqa: ASYNC110 -- a row
                await asyncio.sleep(0.01)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    async def test_outlasts_a_broker_that_is_away(self, db: Database) -> None:
        """It tries again until the broker is back."""
        broker = FakeBroker()
        broker.away = True
        await journal(db, make_facts(10))
        async with relaying(db, broker):
            await asyncio.sleep(0.3)
            broker.away = False
            await until(lambda: arrived(broker, 10))

    async def test_outlasts_a_session_that_the_server_ended(self, db: Database) -> None:
        """Asyncpg may find the connection busy before it finds it closed; the relay begins anew."""
        broker = FakeBroker()
        facts = InterruptedFacts(failures=2)
        await journal(db, make_facts(3))
        async with relaying(db, broker, source=facts):
            await until(lambda: arrived(broker, 3))

        assert facts.failures == 0

    async def test_publishes_all_again_when_the_broker_forgot(self, db: Database) -> None:
        """Seen at the start by the log's end, and then nothing is missing."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 30))
        broker.forget()
        await journal(db, make_facts(5))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 35))

        assert all(log == sorted(log) for log in broker.seqs())

    async def test_sees_forgetting_by_the_offset_of_an_answer(self, db: Database) -> None:
        """A broker that restarts between two batches is found out by the next answer."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker) as relay:
            await until(lambda: arrived(broker, 30))
            broker.forget()
            await journal(db, make_facts(5))
            relay.wake()
            await until(lambda: arrived(broker, 35))

    async def test_sends_again_what_was_acknowledged_and_not_kept(self, db: Database) -> None:
        """The next acknowledgement lies where facts should be already, and so nothing is believed."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker) as relay:
            await until(lambda: arrived(broker, 30))
            broker.batches_to_drop = 1
            await journal(db, make_facts(5))
            await until(lambda: not broker.batches_to_drop)
            await journal(db, make_facts(5))
            relay.wake()
            await until(lambda: arrived(broker, 40))

    async def test_sends_again_what_was_not_kept_though_nothing_follows(self, db: Database) -> None:
        """The end of the log is looked at, also when nothing new happens."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 30))
            broker.batches_to_drop = 1
            await journal(db, make_facts(5))
            await until(lambda: arrived(broker, 35))

    async def test_sees_a_log_that_was_lost_and_begun_anew(self, db: Database) -> None:
        """It is as long as before, but what was acknowledged last is not in it."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 30))
        broker.logs = [[Message(b"k", b"", ())] * 50 for _ in broker.logs]
        async with relaying(db, broker):
            await until(lambda: sum(map(len, broker.logs)) == 50 * PARTITIONS + 30)

        begun = [[dict(message.headers) for message in log[50:]] for log in broker.logs]
        assert all(not log or log[0]["ce_previous"] == b"0" for log in begun)

    async def test_finds_a_lost_place_in_the_logs(
        self, db: Database, database: TestDatabase
    ) -> None:
        """With nothing remembered, what the logs have is not sent again, and what they have not is."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 30))
        await forget_progress(database)
        broker.logs[0] = broker.logs[0][:-3]
        await journal(db, make_facts(5))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 35))

        assert all(log == sorted(set(log)) for log in broker.seqs())
        assert_chained(broker)

    async def test_publishes_again_only_what_a_log_has_lost(self, db: Database) -> None:
        """One log lost its end: the others are left as they are."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 30))
        longest = max(range(PARTITIONS), key=lambda each: len(broker.logs[each]))
        broker.logs[longest] = broker.logs[longest][:2]
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 30))

        assert all(log == sorted(set(log)) for log in broker.seqs())
        assert_chained(broker)

    async def test_publishes_all_again_when_it_is_told_to(
        self, db: Database, database: TestDatabase
    ) -> None:
        """A cursor that was set to nought is an order, whatever the logs have."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 30))
        async with database.open_as_owner() as conn:
            await conn.execute("TRUNCATE relay_offset")
            await conn.execute("UPDATE relay_cursor SET seq = 0")
        async with relaying(db, broker):
            await until(lambda: sum(map(len, broker.logs)) == 60)

    async def test_publishes_all_again_when_the_logs_are_of_another_journal(
        self, db: Database, database: TestDatabase
    ) -> None:
        """A journal that was restored to an earlier time has other facts under the same sequences."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 30))
        await forget_progress(database)
        broker.logs = [
            [message._replace(headers=renamed(message)) for message in log] for log in broker.logs
        ]
        async with relaying(db, broker):
            await until(lambda: sum(map(len, broker.logs)) == 60)

    async def test_sees_forgetting_while_idle(self, db: Database) -> None:
        """A consumer may still need what was forgotten, though nothing new happens."""
        broker = FakeBroker()
        await journal(db, make_facts(30))
        async with relaying(db, broker):
            await until(lambda: arrived(broker, 30))
            broker.forget()
            await until(lambda: arrived(broker, 30))
