"""Whether the parts of the stack answer."""

import asyncio
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_PROBE_SECONDS_MAX: Final = 2.0


async def is_listening(address: str) -> bool:
    """Tell whether something accepts connections at ``host:port``."""
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(_PROBE_SECONDS_MAX):
            _, writer = await asyncio.open_connection(host, int(port))
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def is_serving(address: str) -> bool:
    """Tell whether a gRPC server answers its health check with SERVING."""
    # A plain connection first: it costs nothing while the server is still starting.
    if not await is_listening(address):
        return False
    async with grpc.aio.insecure_channel(address) as channel:
        # The generated class gets its methods when it is made.
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=_PROBE_SECONDS_MAX)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
