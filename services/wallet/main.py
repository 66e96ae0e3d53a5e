"""The wallet's parts and how they hang together."""

from contextlib import AsyncExitStack

from cagnotte.wallet.v1 import wallet_service_pb2, wallet_service_pb2_grpc
from services.common.runtime import lifecycle
from services.common.runtime.clock import open_clock
from services.common.runtime.clock_service import clock_registration
from services.common.runtime.database import open_database
from services.common.runtime.grpc_server import Registration, build_server
from services.common.runtime.identity import Identity
from services.common.runtime.logging import configure_logging
from services.common.runtime.migrate import migrate as apply_migrations
from services.common.runtime.telemetry import open_metrics, open_tracing
from services.wallet.api.servicer import WalletServicer
from services.wallet.config import Settings

_SERVICE = "wallet"


async def serve(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; give the exit code."""
    configure_logging(settings.log, service=_SERVICE)
    async with AsyncExitStack() as stack:
        stack.enter_context(open_metrics(settings.metrics))
        tracing = stack.enter_context(open_tracing(settings.telemetry, service=_SERVICE))
        db = await stack.enter_async_context(open_database(settings.postgres))
        clock = await open_clock(settings, db)
        wallet = Registration(
            wallet_service_pb2.DESCRIPTOR.services_by_name["WalletService"],
            wallet_service_pb2_grpc.add_WalletServiceServicer_to_server,
            WalletServicer(db, shard_id=settings.shard_id),
        )
        server = build_server(
            settings.grpc,
            services=[wallet, clock_registration(clock)],
            identity=Identity(settings.identity),
            tracing=tracing,
        )
        return await lifecycle.serve(server, settings=settings.grpc)


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
