"""The relay: in order, at least once, through lost answers and a broker that forgets."""

import asyncio

from services.common.runtime.database import Database
from services.common.runtime.kafka_events import Message
from services.common.runtime.relay import Relay
from services.common.testing.postgres import TestDatabase
from tests.integration.common.facts import TOPIC, journal, make_facts
from tests.integration.common.relayed import (
    PARTITIONS,
    FakeBroker,
    InterruptedFacts,
    NothingToPublish,
    arrived,
    assert_chained,
    first_sightings,
    forget_progress,
    relaying,
    renamed,
    until,
)


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
        async with asyncio.timeout(60), db.connection() as conn:
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
