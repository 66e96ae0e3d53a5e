"""The servicer of ``cagnotte.wallet.v1.PrepaidService``."""

from typing import Any, TypeAlias
from uuid import UUID

import grpc

from cagnotte.common.v1 import money_pb2
from cagnotte.wallet.v1 import prepaid_service_pb2 as pb
from cagnotte.wallet.v1 import prepaid_service_pb2_grpc, wallet_pb2
from services.common.runtime.config import CallerKind
from services.common.runtime.identity import current_caller
from services.wallet.codec.checkout import parse_optional, render_top_up
from services.wallet.domain.payment import Payment
from services.wallet.domain.top_up import TopUp
from services.wallet.usecases.funds import ReadFunds
from services.wallet.usecases.read import Reader, shopper_id
from services.wallet.usecases.top_up import CURRENCY_CODE, TopUps

Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]


class PrepaidServicer(prepaid_service_pb2_grpc.PrepaidServiceServicer):
    """Translate; decide nothing."""

    def __init__(self, reader: Reader, read_funds: ReadFunds, top_ups: TopUps) -> None:
        """Take the questions, the balances, and what can be done with top-ups."""
        self._reader = reader
        self._read_funds = read_funds
        self._top_ups = top_ups

    async def TopUp(self, request: pb.TopUpRequest, context: Context) -> pb.TopUpResponse:
        """Charge a card and credit the balance, once."""
        payment = await self._top_ups.top_up(
            UUID(request.request_id),
            amount_minor=request.amount_minor,
            payment_method_id=parse_optional(request.payment_method_id),
            caller=current_caller(),
        )
        return pb.TopUpResponse(top_up=_render(payment))

    async def GetTopUp(self, request: pb.GetTopUpRequest, context: Context) -> pb.GetTopUpResponse:
        """Answer a top-up as it is now."""
        found = await self._reader.top_up(UUID(request.top_up_id), caller=current_caller())
        return pb.GetTopUpResponse(top_up=_render(found))

    async def GetPrepaidBalance(
        self, request: pb.GetPrepaidBalanceRequest, context: Context
    ) -> pb.GetPrepaidBalanceResponse:
        """Answer what the caller can spend now."""
        available_minor = await self._read_funds.prepaid_minor(shopper_id(current_caller()))
        return pb.GetPrepaidBalanceResponse(
            available=money_pb2.Money(minor_units=available_minor, currency_code=CURRENCY_CODE)
        )


def _render(payment: Payment) -> wallet_pb2.TopUp:
    assert isinstance(payment, TopUp), "what is asked of a top-up answers one"
    return render_top_up(payment, for_staff=current_caller().kind is not CallerKind.SHOPPER)
