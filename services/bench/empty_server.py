"""The least that a unary call can cost here: the services' own server builder with handlers that do nothing.

``python -m services.bench.empty_server JWKS_FILE ADDRESS`` serves PostTransaction and RecordTicket with everything that
every call has (identity, access, the proto's rules, card number guard, log line, metrics) and an empty answer.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from cagnotte.ledger.v1 import ledger_service_pb2, ledger_service_pb2_grpc
from cagnotte.points.v1 import points_service_pb2, points_service_pb2_grpc
from deploy.local.health import is_serving
from services.bench.errors import BenchError
from services.common.runtime import lifecycle
from services.common.runtime.config import GrpcSettings, IdentitySettings, LogSettings
from services.common.runtime.grpc_server import Registration, build_server
from services.common.runtime.identity import Identity
from services.common.runtime.logging import configure_logging

_POLL_SECONDS: Final = 0.05
_START_SECONDS_MAX: Final = 30.0


class EmptyLedger(ledger_service_pb2_grpc.LedgerServiceServicer):
    """Posts nothing."""

    async def PostTransaction(  # noqa: N802 -- the RPC's name
        self, request: ledger_service_pb2.PostTransactionRequest, context: Any
    ) -> ledger_service_pb2.PostTransactionResponse:
        """Answer at once."""
        del request, context
        return ledger_service_pb2.PostTransactionResponse()


class EmptyPoints(points_service_pb2_grpc.PointsServiceServicer):
    """Records nothing."""

    async def RecordTicket(  # noqa: N802 -- the RPC's name
        self, request: points_service_pb2.RecordTicketRequest, context: Any
    ) -> points_service_pb2.RecordTicketResponse:
        """Answer at once."""
        del request, context
        return points_service_pb2.RecordTicketResponse()


@asynccontextmanager
async def run_empty_server(*, jwks_file: Path, address: str, log_file: Path) -> AsyncIterator[int]:
    """Run it as a process, as the services run, and give its process id."""
    with log_file.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__, str(jwks_file), address), stdout=log, stderr=log
        )
    try:
        async with asyncio.timeout(_START_SECONDS_MAX):
            while not await is_serving(address):
                if process.returncode is not None:
                    message = f"The empty server ended; its log is {log_file}."
                    raise BenchError(message)
                await asyncio.sleep(_POLL_SECONDS)
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def serve(jwks_file: Path, address: str) -> int:
    """Serve until SIGTERM; give the exit code."""
    configure_logging(LogSettings(), service="empty")
    settings = GrpcSettings(listen=address)
    server = build_server(
        settings,
        services=[
            Registration(
                ledger_service_pb2.DESCRIPTOR.services_by_name["LedgerService"],
                ledger_service_pb2_grpc.add_LedgerServiceServicer_to_server,
                EmptyLedger(),  # type: ignore[abstract]  # only the stubs say so
            ),
            Registration(
                points_service_pb2.DESCRIPTOR.services_by_name["PointsService"],
                points_service_pb2_grpc.add_PointsServiceServicer_to_server,
                EmptyPoints(),  # type: ignore[abstract]  # the same
            ),
        ],
        identity=Identity(IdentitySettings(jwks_file=jwks_file)),
    )
    return await lifecycle.serve(server, settings=settings)


if __name__ == "__main__":
    lifecycle.run(serve(Path(sys.argv[1]), sys.argv[2]))
