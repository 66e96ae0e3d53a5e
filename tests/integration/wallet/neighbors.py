"""Points and ledger as servers that obey, and that can be stopped in the middle of a call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID

import grpc
from google.protobuf.message import Message

from cagnotte.common.v1 import money_pb2
from cagnotte.ledger.v1 import error_reason_pb2, ledger_pb2
from cagnotte.ledger.v1 import ledger_service_pb2 as ledger
from cagnotte.points.v1 import points_pb2
from cagnotte.points.v1 import points_service_pb2 as points
from services.wallet.domain.leg import LegPhase
from services.wallet.domain.tender import TenderKind
from tests.integration.wallet.holds import Purse

Behavior: TypeAlias = Callable[[Any, Any], Awaitable[Message]]

_KINDS = {
    money_pb2.LOYALTY_CURRENCY_KITTY: TenderKind.KITTY,
    money_pb2.LOYALTY_CURRENCY_POINTS: TenderKind.POINTS,
}


@dataclass(slots=True)
class Trap:
    """Where the next call stops for ever."""

    method: str
    obeyed: bool
    """Whether it is obeyed first."""
    sprung: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_by(self, method: str, *, obeyed: bool) -> None:
        """Stop whoever comes to the place of the trap, once."""
        if (method, obeyed) == (self.method, self.obeyed) and not self.sprung.is_set():
            self.sprung.set()
            await asyncio.Event().wait()


@dataclass(slots=True)
class Neighbors:
    """Both services, on one address, with one shopper's purse."""

    purse: Purse
    address: str = ""
    trap: Trap = field(default_factory=lambda: Trap("", obeyed=False))

    async def hold_value(self, request: points.HoldValueRequest, context: Any) -> Message:
        """Hold points or kitty, whole or not at all."""
        await self.trap.pass_by("HoldValue", obeyed=False)
        kind = _KINDS[request.currency]
        answer = self.purse.hold(UUID(request.hold_id), kind, request.quantity)
        await self.trap.pass_by("HoldValue", obeyed=True)
        if answer.phase is LegPhase.DECLINED:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "insufficient")
        hold = points_pb2.Hold(state=points_pb2.HOLD_STATE_OPEN)
        return points.HoldValueResponse(hold=hold)

    async def release_hold(self, request: points.ReleaseHoldRequest, _: Any) -> Message:
        """Give a hold of points or kitty back."""
        await self.trap.pass_by("ReleaseHold", obeyed=False)
        self.purse.release(UUID(request.hold_id))
        await self.trap.pass_by("ReleaseHold", obeyed=True)
        return points.ReleaseHoldResponse()

    async def get_balances(self, _: points.GetBalancesRequest, __: Any) -> Message:
        """Tell what there is of points and kitty."""
        return points.GetBalancesResponse(
            balances=[
                points_pb2.Balance(currency=currency, available=self.purse.available[kind])
                for currency, kind in _KINDS.items()
            ]
        )

    async def post_transaction(self, request: ledger.PostTransactionRequest, _: Any) -> Message:
        """Hold prepaid money, or void such a hold."""
        command = request.transaction
        holds = command.HasField("hold")
        method = "Hold" if holds else "VoidHold"
        await self.trap.pass_by(method, obeyed=False)
        if holds:
            leg_id, amount = UUID(command.transaction_id), command.hold.legs[0].amount
            answer = self.purse.hold(leg_id, TenderKind.PREPAID, amount)
        else:
            answer = self.purse.release(UUID(command.void_hold.hold_id))
        await self.trap.pass_by(method, obeyed=True)
        outcome = ledger_pb2.Outcome(status=ledger_pb2.OUTCOME_STATUS_ACCEPTED)
        if answer.phase is LegPhase.DECLINED:
            outcome.status = ledger_pb2.OUTCOME_STATUS_REFUSED
            outcome.reason = error_reason_pb2.ERROR_REASON_INSUFFICIENT_FUNDS
        return ledger.PostTransactionResponse(outcome=outcome)

    async def get_balance(self, _: ledger.GetBalanceRequest, __: Any) -> Message:
        """Tell what there is of prepaid money."""
        available = self.purse.available[TenderKind.PREPAID]
        return ledger.GetBalanceResponse(balance=ledger_pb2.Balance(available=available))


def _handlers(service: str, behaviors: Mapping[str, tuple[type[Message], Behavior]]) -> Any:
    return grpc.method_handlers_generic_handler(
        service,
        {
            method: grpc.unary_unary_rpc_method_handler(
                behavior,
                request_deserializer=request.FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )
            for method, (request, behavior) in behaviors.items()
        },
    )


@asynccontextmanager
async def run_neighbors(purse: Purse) -> AsyncIterator[Neighbors]:
    """Serve points and ledger for the body."""
    neighbors = Neighbors(purse)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            _handlers(
                "cagnotte.points.v1.PointsService",
                {
                    "HoldValue": (points.HoldValueRequest, neighbors.hold_value),
                    "ReleaseHold": (points.ReleaseHoldRequest, neighbors.release_hold),
                    "GetBalances": (points.GetBalancesRequest, neighbors.get_balances),
                },
            ),
            _handlers(
                "cagnotte.ledger.v1.LedgerService",
                {
                    "PostTransaction": (
                        ledger.PostTransactionRequest,
                        neighbors.post_transaction,
                    ),
                    "GetBalance": (ledger.GetBalanceRequest, neighbors.get_balance),
                },
            ),
        )
    )
    neighbors.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield neighbors
    finally:
        await server.stop(grace=None)
