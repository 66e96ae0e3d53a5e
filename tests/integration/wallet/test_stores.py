"""A till whose identity names its store opens and cancels checkouts of no other."""

from collections.abc import Awaitable

import grpc
import pytest

from cagnotte.wallet.v1 import checkout_service_pb2, wallet_pb2
from services.common.runtime.grpc_client import parse_error
from tests.integration.wallet.process import Town


async def reason_of(call: Awaitable[object]) -> tuple[grpc.StatusCode, str]:
    """Await a call that must fail; give its code and reason."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code(), parse_error(refused.value).reason


class TestStores:
    async def test_a_till_speaks_for_its_own_store(self, town: Town) -> None:
        """Its own store's till opens and cancels; another store's does neither, and nothing is written."""
        denied = (grpc.StatusCode.PERMISSION_DENIED, "CALLER_NOT_ALLOWED")
        async with town.running(), town.till("0330") as own, town.till("0331") as other:
            assert await reason_of(town.open_checkout(other)) == denied

            checkout_id = await town.open_checkout(own)
            cancel = checkout_service_pb2.CancelCheckoutRequest(checkout_id=checkout_id)
            assert await reason_of(other.checkouts.CancelCheckout(cancel)) == denied
            read = checkout_service_pb2.GetCheckoutRequest(checkout_id=checkout_id)
            still = await other.checkouts.GetCheckout(read)
            ended = await own.checkouts.CancelCheckout(cancel)

        assert still.checkout.state == wallet_pb2.CHECKOUT_STATE_OPEN
        assert ended.checkout.state == wallet_pb2.CHECKOUT_STATE_CANCELLED
