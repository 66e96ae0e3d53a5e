"""The services as the simulator sees them: addresses, identities and typed stubs."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cagnotte.common.v1.clock_service_pb2_grpc import ClockServiceStub
from cagnotte.ledger.v1.ledger_service_pb2_grpc import LedgerServiceStub
from cagnotte.points.v1.points_service_pb2_grpc import PointsServiceStub
from services.common.runtime.grpc_client import open_channel
from services.simulator.calls import Identity, Patience

if TYPE_CHECKING:  # The asynchronous stubs exist as types only.
    from cagnotte.common.v1.clock_service_pb2_grpc import ClockServiceAsyncStub
    from cagnotte.ledger.v1.ledger_service_pb2_grpc import LedgerServiceAsyncStub
    from cagnotte.points.v1.points_service_pb2_grpc import PointsServiceAsyncStub


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where the services are and who the simulator is: a till, and the operator of the stack.

    ``wallet`` may stay empty; its clock then stays where it is.
    """

    ledger: str
    points: str
    wallet: str = ""
    till_token: str = field(repr=False)
    operator_token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Open connections."""

    ledger: "LedgerServiceAsyncStub"
    points: "PointsServiceAsyncStub"
    clocks: "tuple[ClockServiceAsyncStub, ...]"
    till: Identity
    operator: Identity


@asynccontextmanager
async def open_stack(endpoints: Endpoints, *, patience: Patience) -> AsyncIterator[Stack]:
    """Connect to all services; they are reached at the first call."""
    addresses = (endpoints.ledger, endpoints.points, endpoints.wallet)
    async with AsyncExitStack() as resources:
        channels = {
            address: await resources.enter_async_context(open_channel(address, attempts_max=1))
            for address in addresses
            if address
        }
        yield Stack(
            ledger=LedgerServiceStub(channels[endpoints.ledger]),
            points=PointsServiceStub(channels[endpoints.points]),
            clocks=tuple(ClockServiceStub(channel) for channel in channels.values()),
            till=Identity(endpoints.till_token, patience=patience),
            operator=Identity(endpoints.operator_token, patience=patience),
        )
