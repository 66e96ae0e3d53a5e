"""The wallet's parts and how they hang together."""

from collections.abc import Callable, Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass

import grpc

from cagnotte.wallet.v1 import (
    checkout_service_pb2,
    checkout_service_pb2_grpc,
    payment_method_service_pb2,
    payment_method_service_pb2_grpc,
    prepaid_service_pb2,
    prepaid_service_pb2_grpc,
    wallet_service_pb2,
    wallet_service_pb2_grpc,
)
from services.common.kernel.clock import Clock
from services.common.runtime import lifecycle
from services.common.runtime.clock import ServiceClock, open_clock
from services.common.runtime.clock_service import clock_registration
from services.common.runtime.database import Database, open_database
from services.common.runtime.group_commit import GroupCommit
from services.common.runtime.grpc_client import ClientTls, open_channel
from services.common.runtime.grpc_server import Registration, build_server
from services.common.runtime.identity import Identity
from services.common.runtime.kafka_producer import Producer, open_producer
from services.common.runtime.lifecycle import Loop
from services.common.runtime.logging import configure_logging
from services.common.runtime.migrate import migrate as apply_migrations
from services.common.runtime.relay import Relay
from services.common.runtime.telemetry import open_metrics, open_tracing
from services.wallet.api.checkout_servicer import CheckoutServicer
from services.wallet.api.payment_method_servicer import PaymentMethodServicer
from services.wallet.api.prepaid_servicer import PrepaidServicer
from services.wallet.api.wallet_servicer import WalletServicer
from services.wallet.api.webhooks import open_webhooks
from services.wallet.clients.ledger import LedgerClient
from services.wallet.clients.points import PointsClient
from services.wallet.clients.provider import Provider
from services.wallet.clients.service_token import ServiceToken
from services.wallet.clients.stored_value import MoneyHolds, ValueHolds
from services.wallet.clients.stripe import open_stripe
from services.wallet.config import RemoteSettings, Settings
from services.wallet.domain.command import RecordAnswers
from services.wallet.domain.ladder import delay_seconds
from services.wallet.domain.opening import PaymentOutcome
from services.wallet.domain.payment import Payment
from services.wallet.store.outbox import CheckoutFacts
from services.wallet.store.shelf import Shelf
from services.wallet.usecases.checkouts import Checkouts
from services.wallet.usecases.commit_batch import CommitBatch
from services.wallet.usecases.declines import CardDeclines
from services.wallet.usecases.drive import Driver, Performs
from services.wallet.usecases.execute import Queue, execute
from services.wallet.usecases.expire_checkouts import sweep_checkouts
from services.wallet.usecases.funds import ReadFunds
from services.wallet.usecases.hear import Ears, Hear, ears
from services.wallet.usecases.in_time import InTime
from services.wallet.usecases.pay import Pay, PayTerms
from services.wallet.usecases.payment_methods import PaymentMethods
from services.wallet.usecases.perform import Perform
from services.wallet.usecases.poll_provider import PollProvider
from services.wallet.usecases.read import Reader
from services.wallet.usecases.recover import Recovery
from services.wallet.usecases.top_up import TopUps
from services.wallet.usecases.watch import WatchHub

_SERVICE = "wallet"


@dataclass(frozen=True, slots=True)
class _Others:
    """Whom the wallet calls."""

    provider: Provider
    values: ValueHolds
    moneys: MoneyHolds


class Engine:
    """What decides, remembers and drives: everything between the API and the database."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        clock: Clock,
        perform: Performs,
        *,
        delay: Callable[[int], float],
        on_public: Callable[[], None],
    ) -> None:
        """Take what makes calls, and whom to tell of facts that leave the service; ``delay`` is that between probes."""
        shard_id = settings.shard_id
        self.shelf = Shelf(shard_id=shard_id, size_max=settings.shelf_max)
        self.hub = WatchHub(
            db, self.shelf, shard_id=shard_id, idle_seconds=settings.watch_poll_seconds
        )
        self.driver = Driver(
            self._record, perform, clock, delay=delay, driven_max=settings.driven_max
        )
        commit = CommitBatch(
            db,
            clock,
            self.shelf,
            shard_id=shard_id,
            on_commit=self._tell_of_commit,
            on_public=on_public,
        )
        self.queue: Queue = GroupCommit(
            commit, batch_max=settings.batch_max, queue_max=settings.queue_max, name=_SERVICE
        )
        self.recovery = self._recovery(settings, db)
        self.reader = Reader(db, self.shelf, shard_id=shard_id)
        self.in_time = InTime(
            self.queue, self.hub, self.driver, budget_seconds=settings.answer_budget_seconds
        )
        self.declines = CardDeclines(
            clock, declines_max=settings.declines_max, span=settings.declines_span
        )

    def _recovery(self, settings: Settings, db: Database) -> Recovery:
        return Recovery(
            db,
            self.shelf,
            self.driver,
            shard_id=settings.shard_id,
            idle_seconds=settings.recovery_idle_seconds,
        )

    async def _record(self, command: RecordAnswers) -> Payment:
        return (await execute(self.queue, command, PaymentOutcome)).payment

    def _tell_of_commit(self, payments: Collection[Payment]) -> None:
        self.hub.publish(payments)
        self.driver.notice(payments)
        self.declines.notice(payments)


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; give the exit code."""
    configure_logging(settings.log, service=_SERVICE)
    async with AsyncExitStack() as stack:
        stack.enter_context(open_metrics(settings.metrics))
        tracing = stack.enter_context(open_tracing(settings.telemetry, service=_SERVICE))
        db = await stack.enter_async_context(open_database(settings.postgres))
        clock = await open_clock(settings, db)
        producer = await stack.enter_async_context(open_producer(settings.kafka))
        others = await _open_others(settings, stack)
        relay = _build_relay(settings, db, producer)
        engine = Engine(
            settings,
            db,
            clock,
            Perform(others.provider, others.values, others.moneys, calls_max=settings.calls_max),
            delay=delay_seconds,
            on_public=relay.wake,
        )
        hear = Hear(db, engine.driver, shard_id=settings.shard_id)
        registrations = _registrations(settings, db, clock, engine, others)
        server = build_server(
            settings.grpc,
            services=[*registrations, clock_registration(clock)],
            identity=Identity(settings.identity),
            tracing=tracing,
        )
        poll = _poll_provider(settings, db, others.provider, hear)
        webhooks = ears(hear)
        await _open_webhooks(settings, stack, webhooks)
        loops = [
            Loop("webhooks", webhooks.run, webhooks.stop),
            *_loops(settings, engine, poll, relay),
        ]
        return await lifecycle.serve(
            server, loops=loops, settings=settings.grpc, end_streams=engine.hub.close
        )


def _poll_provider(
    settings: Settings, db: Database, provider: Provider, hear: Hear
) -> PollProvider:
    return PollProvider(
        db, provider, hear, shard_id=settings.shard_id, idle_seconds=settings.poll_seconds
    )


async def migrate(settings: Settings) -> int:
    """Bring the wallet's database up to date, as its owner; give the exit code."""
    configure_logging(settings.log, service=_SERVICE)
    await apply_migrations(
        settings.postgres.dsn.get_secret_value(),
        package="services.wallet.store.migrations",
        runtime_role=settings.runtime_role,
        journal="facts",
    )
    return 0


async def _open_others(settings: Settings, stack: AsyncExitStack) -> _Others:
    file = settings.service_token_file
    token = ServiceToken(file) if file is not None else None
    points = await stack.enter_async_context(_open_channel(settings.points))
    ledger = await stack.enter_async_context(_open_channel(settings.ledger))
    provider = await stack.enter_async_context(
        open_stripe(
            api_key=settings.provider.api_key.get_secret_value(),
            url=settings.provider.url,
            timeout_seconds=settings.provider.timeout_seconds,
            connections_max=settings.provider.connections_max,
        )
    )
    return _Others(
        provider,
        PointsClient(points, token=token, timeout_seconds=settings.points.timeout_seconds),
        LedgerClient(ledger, token=token, timeout_seconds=settings.ledger.timeout_seconds),
    )


async def _open_webhooks(settings: Settings, stack: AsyncExitStack, heard: Ears) -> None:
    if settings.webhooks.listen:
        secret = settings.provider.webhook_secret.get_secret_value()
        webhooks = open_webhooks(settings.webhooks.listen, secret=secret, hear=heard.submit)
        await stack.enter_async_context(webhooks)


def _open_channel(settings: RemoteSettings) -> grpc.aio.Channel:
    """Open a channel that does not try again by itself: the ladder does."""
    tls = None
    if settings.ca_file is not None:
        tls = ClientTls(
            ca_file=settings.ca_file,
            certificate_file=settings.certificate_file,
            key_file=settings.key_file,
        )
    return open_channel(settings.address, tls=tls, attempts_max=1)


def _build_relay(settings: Settings, db: Database, producer: Producer) -> Relay:
    return Relay(
        db,
        producer,
        CheckoutFacts(),
        topic=settings.topic,
        shard_id=settings.shard_id,
        batch_max=settings.relay_batch_max,
        idle_seconds=settings.relay_idle_seconds,
    )


def _loops(settings: Settings, engine: Engine, poll: PollProvider, relay: Relay) -> list[Loop]:
    """List the loops in the order of their end: what feeds the queue before the queue."""
    queue = engine.queue
    # Without a key there is no provider: payments by stored value alone.
    polls = [Loop("poll", poll.run)] if settings.provider.api_key.get_secret_value() else []
    return [
        *polls,
        Loop("recovery", engine.recovery.run),
        Loop("sweep", lambda: sweep_checkouts(queue, idle_seconds=settings.sweep_idle_seconds)),
        Loop("driver", engine.driver.run, engine.driver.stop),
        Loop("commits", queue.run, queue.stop),
        Loop("watch", engine.hub.run),
        Loop("relay", relay.run),
    ]


def _pay_terms(settings: Settings) -> PayTerms:
    return PayTerms(
        hold_duration=settings.hold_duration,
        settle_duration=settings.settle_duration,
        attempts_max=settings.attempts_max,
        point_value_minor_per_100=settings.point_value_minor_per_100,
        card_least_minor=settings.provider.card_least_minor,
    )


def _registrations(
    settings: Settings, db: Database, clock: ServiceClock, engine: Engine, others: _Others
) -> list[Registration]:
    reader, in_time = engine.reader, engine.in_time
    read_funds = ReadFunds(others.values, others.moneys)
    pay = Pay(
        reader,
        read_funds,
        in_time,
        clock,
        engine.declines,
        terms=_pay_terms(settings),
    )
    checkouts = Checkouts(
        engine.queue, in_time, clock, checkout_duration=settings.checkout_duration
    )
    return [
        Registration(
            wallet_service_pb2.DESCRIPTOR.services_by_name["WalletService"],
            wallet_service_pb2_grpc.add_WalletServiceServicer_to_server,
            WalletServicer(db, reader, shard_id=settings.shard_id),
        ),
        Registration(
            checkout_service_pb2.DESCRIPTOR.services_by_name["CheckoutService"],
            checkout_service_pb2_grpc.add_CheckoutServiceServicer_to_server,
            CheckoutServicer(checkouts, pay, reader, engine.hub),
        ),
        Registration(
            payment_method_service_pb2.DESCRIPTOR.services_by_name["PaymentMethodService"],
            payment_method_service_pb2_grpc.add_PaymentMethodServiceServicer_to_server,
            PaymentMethodServicer(PaymentMethods(engine.queue, reader, others.provider)),
        ),
        Registration(
            prepaid_service_pb2.DESCRIPTOR.services_by_name["PrepaidService"],
            prepaid_service_pb2_grpc.add_PrepaidServiceServicer_to_server,
            PrepaidServicer(reader, read_funds, TopUps(reader, in_time, engine.declines)),
        ),
    ]
