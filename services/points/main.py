"""The parts of the points service and how they hang together."""

from contextlib import AsyncExitStack

from cagnotte.points.v1 import points_service_pb2, points_service_pb2_grpc
from services.common.runtime import lifecycle
from services.common.runtime.clock import open_clock
from services.common.runtime.clock_service import clock_registration
from services.common.runtime.database import Database, open_database
from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.grpc_server import Registration, build_server
from services.common.runtime.identity import Identity
from services.common.runtime.kafka import Consumer
from services.common.runtime.kafka_producer import Producer, open_producer
from services.common.runtime.lifecycle import Loop
from services.common.runtime.logging import configure_logging
from services.common.runtime.migrate import migrate as apply_migrations
from services.common.runtime.relay import Relay
from services.common.runtime.telemetry import Tracing, open_metrics, open_tracing
from services.points.api.servicer import PointsServicer
from services.points.config import Settings
from services.points.events import topics
from services.points.events.on_checkouts import CheckoutCommand, TakeInCheckouts
from services.points.store.facts import PointsFacts
from services.points.usecases.commit_batch import CommitBatch
from services.points.usecases.execute import Queue
from services.points.usecases.expire_value import sweep_value
from services.points.usecases.read import Reader

_SERVICE = "points"


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; give the exit code."""
    configure_logging(settings.log, service=_SERVICE)
    async with AsyncExitStack() as stack:
        stack.enter_context(open_metrics(settings.metrics))
        tracing = stack.enter_context(open_tracing(settings.telemetry, service=_SERVICE))
        db = await stack.enter_async_context(open_database(settings.postgres))
        clock = await open_clock(settings, db)
        producer = await stack.enter_async_context(open_producer(settings.kafka))
        relay = _build_relay(settings, db, producer)
        commit = CommitBatch(
            db,
            clock,
            limits=settings.ticket_limits(),
            shard_id=settings.shard_id,
            on_commit=relay.wake,
        )
        queue: Queue = GroupCommit(
            commit, batch_max=settings.batch_max, queue_max=settings.queue_max, name=_SERVICE
        )
        consumer = _build_consumer(settings, queue, tracing)
        reader = Reader(db, shard_id=settings.shard_id)
        servicer = PointsServicer(queue, reader, clock)
        server = build_server(
            settings.grpc,
            services=[_registration(servicer), clock_registration(clock)],
            identity=Identity(settings.identity),
            tracing=tracing,
        )
        loops = [
            Loop("consumer", consumer.run),
            Loop("sweep", lambda: sweep_value(queue, idle_seconds=settings.sweep_idle_seconds)),
            Loop("commits", queue.run, queue.stop),
            Loop("relay", relay.run),
        ]
        return await lifecycle.serve(server, loops=loops, settings=settings.grpc)


async def migrate(settings: Settings) -> int:
    """Bring the service's database up to date, as its owner; give the exit code."""
    configure_logging(settings.log, service=_SERVICE)
    await apply_migrations(
        settings.postgres.dsn.get_secret_value(),
        package="services.points.store.migrations",
        runtime_role=settings.runtime_role,
        journal="facts",
    )
    return 0


def _build_relay(settings: Settings, db: Database, producer: Producer) -> Relay:
    return Relay(
        db,
        producer,
        PointsFacts(),
        topic=settings.topic,
        shard_id=settings.shard_id,
        batch_max=settings.relay_batch_max,
        idle_seconds=settings.relay_idle_seconds,
    )


def _build_consumer(
    settings: Settings, queue: Queue, tracing: Tracing
) -> Consumer[CheckoutCommand]:
    checkouts = TakeInCheckouts(queue)
    return Consumer(
        settings.kafka,
        topics=[topics.CHECKOUTS],
        group_id=topics.CONSUMER_GROUP,
        parse=checkouts.parse,
        handle=checkouts.handle,
        batch_max=settings.batch_max,
        tracing=tracing,
    )


def _registration(servicer: PointsServicer) -> Registration:
    return Registration(
        points_service_pb2.DESCRIPTOR.services_by_name["PointsService"],
        points_service_pb2_grpc.add_PointsServiceServicer_to_server,
        servicer,
    )
