"""The ledger's parts and how they hang together."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial

from services.common.runtime import lifecycle
from services.common.runtime.clock import open_clock
from services.common.runtime.clock_service import clock_registration
from services.common.runtime.database import Database, open_database
from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.grpc_server import build_server
from services.common.runtime.identity import Identity
from services.common.runtime.kafka import Consumer
from services.common.runtime.kafka_producer import Producer, open_producer
from services.common.runtime.lifecycle import Loop
from services.common.runtime.logging import configure_logging
from services.common.runtime.migrate import migrate as apply_migrations
from services.common.runtime.relay import Relay
from services.common.runtime.telemetry import Tracing, open_metrics, open_tracing
from services.ledger.api.servicer import LedgerServicer, ledger_registration
from services.ledger.codec import points_events, wallet_events
from services.ledger.codec.chart import load_chart
from services.ledger.config import Settings
from services.ledger.domain.batch import Result, Unit
from services.ledger.domain.chart import Chart
from services.ledger.events import topics
from services.ledger.events.book_events import BookEvents
from services.ledger.store.accounts import AccountDirectory
from services.ledger.store.outbox import JournalFacts
from services.ledger.usecases.commit_batch import AHEAD_MIN, IN_FLIGHT_MAX, CommitBatch
from services.ledger.usecases.expire_holds import SweepHolds
from services.ledger.usecases.read_accounts import ReadAccounts
from services.ledger.usecases.read_journal import ReadJournal

_SERVICE = "ledger"


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; give the exit code."""
    configure_logging(settings.log, service=_SERVICE)
    chart = load_chart(settings.chart_file)
    shard_id = settings.shard_id
    directory = AccountDirectory(shard_id=shard_id, size_max=settings.cached_accounts_max)
    async with AsyncExitStack() as stack:
        stack.enter_context(open_metrics(settings.metrics))
        tracing = stack.enter_context(open_tracing(settings.telemetry, service=_SERVICE))
        db = await stack.enter_async_context(open_database(settings.postgres))
        clock = await open_clock(settings, db)
        producer = await stack.enter_async_context(open_producer(settings.kafka))
        facts = JournalFacts(directory)
        relay = _relay(settings, db, producer, facts)
        on_commit = partial(_on_commit, facts, relay)
        commit = CommitBatch(db, directory, chart, clock, shard_id=shard_id, on_commit=on_commit)
        engine = _engine(settings, commit)
        sweep = SweepHolds(
            db, engine, clock, shard_id=shard_id, idle_seconds=settings.sweep_idle_seconds
        )
        accounts = ReadAccounts(db, directory)
        journal = ReadJournal(db, directory, shard_id=shard_id)
        ahead = settings.effective_ahead()
        servicer = LedgerServicer(
            engine, accounts, journal, chart, clock=clock, effective_ahead=ahead
        )
        server = build_server(
            settings.grpc,
            services=[ledger_registration(servicer), clock_registration(clock)],
            identity=Identity(settings.identity),
            tracing=tracing,
        )
        loops = [
            *_consumers(settings, engine, chart, tracing),
            Loop("sweep", sweep.run),
            Loop("commits", engine.run, engine.stop),
            Loop("relay", relay.run),
        ]
        return await lifecycle.serve(server, loops=loops, settings=settings.grpc)


def _engine(settings: Settings, commit: CommitBatch) -> GroupCommit[Unit, Result]:
    return GroupCommit(
        commit,
        batch_max=settings.batch_max,
        queue_max=settings.queue_max,
        name=_SERVICE,
        in_flight_max=IN_FLIGHT_MAX,
        ahead_min=AHEAD_MIN,
    )


def _relay(settings: Settings, db: Database, producer: Producer, facts: JournalFacts) -> Relay:
    return Relay(
        db,
        producer,
        facts,
        topic=topics.JOURNAL,
        shard_id=settings.shard_id,
        batch_max=settings.relay_batch_max,
        idle_seconds=settings.relay_idle_seconds,
    )


def _on_commit(facts: JournalFacts, relay: Relay, units: int) -> None:
    facts.note_commit(units)
    relay.wake()


def _consumers(
    settings: Settings, engine: GroupCommit[Unit, Result], chart: Chart, tracing: Tracing
) -> Iterator[Loop]:
    """Give a loop for each topic that is booked, so that none waits for the other."""
    for name, topic, group_id, parse in (
        ("loyalty", topics.LOYALTY, topics.LOYALTY_GROUP, points_events.parse_event),
        ("checkouts", topics.CHECKOUTS, topics.CHECKOUTS_GROUP, wallet_events.parse_event),
    ):
        booking = BookEvents(engine, chart, parse=parse)
        consumer = Consumer(
            settings.kafka,
            topics=[topic],
            group_id=group_id,
            parse=booking.parse,
            handle=booking.handle,
            batch_max=settings.batch_max,
            tracing=tracing,
        )
        yield Loop(name, consumer.run)


async def migrate(settings: Settings) -> int:
    """Bring the ledger's database up to date, as its owner; give the exit code."""
    configure_logging(settings.log, service=_SERVICE)
    await apply_migrations(
        settings.postgres.dsn.get_secret_value(),
        package="services.ledger.store.migrations",
        runtime_role=settings.runtime_role,
        journal="own",
    )
    return 0
