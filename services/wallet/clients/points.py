"""``points`` behind the wallet's ``ValueHolds``."""

from typing import Final
from uuid import UUID

import grpc

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_pb2, points_service_pb2, points_service_pb2_grpc
from services.common.kernel.loyalty import LoyaltyCurrency
from services.wallet.clients.answer import CallAnswer, declined, done
from services.wallet.clients.remote import FAILURES, Remote, failed_answer, refusal_of
from services.wallet.clients.service_token import ServiceToken
from services.wallet.clients.stored_value import BalancesUnavailable, ValueBalances, ValueHold
from services.wallet.codec.time import render_time

_CURRENCIES: Final = {
    LoyaltyCurrency.POINTS: money_pb2.LOYALTY_CURRENCY_POINTS,
    LoyaltyCurrency.KITTY: money_pb2.LOYALTY_CURRENCY_KITTY,
}
_VOID_STATES: Final = frozenset((points_pb2.HOLD_STATE_RELEASED, points_pb2.HOLD_STATE_EXPIRED))


class PointsClient:
    """A ``ValueHolds``."""

    def __init__(
        self, channel: grpc.aio.Channel, *, token: ServiceToken | None, timeout_seconds: float
    ) -> None:
        """Take a channel that does not try again by itself."""
        self._stub = points_service_pb2_grpc.PointsServiceStub(channel)
        self._remote = Remote(token=token, timeout_seconds=timeout_seconds)

    @property
    def in_doubt(self) -> bool:
        """See ``ValueHolds``."""
        return self._remote.in_doubt

    async def hold(self, command: ValueHold) -> CallAnswer:
        """See ``ValueHolds``. A hold that has ended meanwhile is a no."""
        request = points_service_pb2.HoldValueRequest(
            hold_id=str(command.leg_id),
            customer_id=str(command.customer_id),
            currency=_CURRENCIES[command.amount.currency],
            quantity=command.amount.quantity,
            expire_time=render_time(command.expire_time),
        )
        try:
            response = await self._remote.call(self._stub.HoldValue, request)
        except FAILURES as error:
            return failed_answer(error)
        state: points_pb2.HoldState.ValueType = response.hold.state
        return (
            declined(points_pb2.HoldState.Name(state).removeprefix("HOLD_STATE_"))
            if state in _VOID_STATES
            else done()
        )

    async def release(self, leg_id: UUID) -> CallAnswer:
        """See ``ValueHolds``. Where there is no such hold, nothing is held."""
        request = points_service_pb2.ReleaseHoldRequest(hold_id=str(leg_id))
        try:
            await self._remote.call(self._stub.ReleaseHold, request)
        except FAILURES as error:
            return done() if refusal_of(error) == "HOLD_NOT_FOUND" else failed_answer(error)
        return done()

    async def balances(self, customer_id: UUID) -> ValueBalances:
        """See ``ValueHolds``."""
        request = points_service_pb2.GetBalancesRequest(customer_id=str(customer_id))
        try:
            response = await self._remote.call(self._stub.GetBalances, request)
        except FAILURES as error:
            if refusal_of(error) == "MEMBER_NOT_FOUND":
                return ValueBalances(points=0, kitty_minor=0)
            raise BalancesUnavailable("Points did not tell what the shopper has.") from error
        available = {balance.currency: balance.available for balance in response.balances}
        return ValueBalances(
            points=available.get(LoyaltyCurrency.POINTS, 0),
            kitty_minor=available.get(LoyaltyCurrency.KITTY, 0),
        )
