"""The wallet's process is killed while somebody is being asked; the next one ends the payment."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from cagnotte.wallet.v1 import checkout_service_pb2, wallet_pb2
from services.common.kernel.ids import new_uuid7
from tests.integration.wallet.neighbors import Trap
from tests.integration.wallet.process import Caller, Town, pay_request
from tests.integration.wallet.world import CARD_MINOR

SECONDS_MAX = 60.0
IN_FLIGHT = {
    wallet_pb2.CHECKOUT_STATE_PROCESSING,
    wallet_pb2.CHECKOUT_STATE_AUTHORIZED,
    wallet_pb2.CHECKOUT_STATE_REFUNDING,
}


async def begin(call: Awaitable[Any]) -> "asyncio.Task[Any]":
    """Call without waiting for the answer, which may never come."""

    async def attempt() -> None:
        await asyncio.gather(call, return_exceptions=True)

    return asyncio.create_task(attempt())


async def read(till: Caller, checkout_id: str) -> wallet_pb2.Checkout:
    """Read a checkout."""
    request = checkout_service_pb2.GetCheckoutRequest(checkout_id=checkout_id)
    return (await till.checkouts.GetCheckout(request)).checkout


async def until(till: Caller, checkout_id: str, *, in_flight: bool) -> wallet_pb2.Checkout:
    """Wait until a checkout is in flight, or no longer."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            checkout = await read(till, checkout_id)
            if (checkout.state in IN_FLIGHT) is in_flight:
                return checkout
            await asyncio.sleep(0.05)


async def asked(till: Caller, checkout_id: str, operation: int) -> None:
    """Wait until an operation is written down as about to be sent."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            checkout = await read(till, checkout_id)
            if any(leg.operation == operation for leg in checkout.legs):
                return
            await asyncio.sleep(0.02)


class TestKilledWhileHolding:
    @pytest.mark.parametrize("obeyed", [False, True])
    @pytest.mark.parametrize("method", ["HoldValue", "Hold"])
    async def test_settles(self, town: Town, method: str, obeyed: bool) -> None:
        """A hold that may or may not have been obeyed is asked for again under its id."""
        async with town.till() as till, town.phone() as phone:
            async with town.running() as process:
                await town.enrol(phone, "pm_card_visa")
                checkout_id = await town.open_claimed(till, phone)
                town.neighbors.trap = Trap(method, obeyed)
                paying = await begin(phone.checkouts.PayCheckout(pay_request(checkout_id)))
                await asyncio.wait_for(town.neighbors.trap.sprung.wait(), SECONDS_MAX)
                process.kill()
                await process.wait()
                await paying
            async with town.running():
                checkout = await until(till, checkout_id, in_flight=False)

        assert checkout.state == wallet_pb2.CHECKOUT_STATE_SETTLED
        assert len(town.neighbors.purse.open_holds()) == 2


class TestKilledWhileReleasing:
    @pytest.mark.parametrize("obeyed", [False, True])
    @pytest.mark.parametrize("method", ["ReleaseHold", "VoidHold"])
    async def test_holds_nothing(self, town: Town, method: str, obeyed: bool) -> None:
        """After a decline everything is released, whoever does it."""
        async with town.till() as till, town.phone() as phone:
            async with town.running() as process:
                await town.enrol(phone, "pm_card_chargeDeclined")
                checkout_id = await town.open_claimed(till, phone)
                town.neighbors.trap = Trap(method, obeyed)
                paying = await begin(phone.checkouts.PayCheckout(pay_request(checkout_id)))
                await asyncio.wait_for(town.neighbors.trap.sprung.wait(), SECONDS_MAX)
                process.kill()
                await process.wait()
                await paying
            async with town.running():
                checkout = await until(till, checkout_id, in_flight=False)

        assert checkout.state == wallet_pb2.CHECKOUT_STATE_OPEN
        assert checkout.decline.code == "card_declined"
        assert town.neighbors.purse.open_holds() == []


class TestKilledWhileTheProviderHangs:
    @pytest.mark.parametrize(
        ("card", "operation"),
        [
            ("pm_card_hang", wallet_pb2.LEG_OPERATION_AUTHORIZE),
            ("pm_card_hangBeforeCommit", wallet_pb2.LEG_OPERATION_AUTHORIZE),
            ("pm_card_late", wallet_pb2.LEG_OPERATION_AUTHORIZE),
            ("pm_card_captureHang", wallet_pb2.LEG_OPERATION_CAPTURE),
            ("pm_card_captureHangBeforeCommit", wallet_pb2.LEG_OPERATION_CAPTURE),
        ],
    )
    async def test_charges_once(self, town: Town, card: str, operation: int) -> None:
        """What the killed process was asking is found out and not asked twice."""
        async with town.till() as till, town.phone() as phone:
            async with town.running() as process:
                await town.enrol(phone, card)
                checkout_id = await town.open_claimed(till, phone)
                paying = await begin(phone.checkouts.PayCheckout(pay_request(checkout_id)))
                await asked(till, checkout_id, operation)
                process.kill()
                await process.wait()
                await paying
            async with town.running():
                checkout = await until(till, checkout_id, in_flight=False)

        assert checkout.state == wallet_pb2.CHECKOUT_STATE_SETTLED
        assert await _captured_minor(town) == CARD_MINOR

    @pytest.mark.parametrize("card", ["pm_card_refundHang", "pm_card_refundHangBeforeCommit"])
    async def test_refunds_once(self, town: Town, card: str) -> None:
        """The same for a refund."""
        async with town.till() as till, town.phone() as phone:
            async with town.running() as process:
                await town.enrol(phone, card)
                checkout_id = await town.open_claimed(till, phone)
                await phone.checkouts.PayCheckout(pay_request(checkout_id))
                request = checkout_service_pb2.RefundCheckoutRequest(
                    request_id=str(new_uuid7()), checkout_id=checkout_id
                )
                refunding = await begin(till.checkouts.RefundCheckout(request))
                await asked(till, checkout_id, wallet_pb2.LEG_OPERATION_REFUND)
                process.kill()
                await process.wait()
                await refunding
            async with town.running():
                checkout = await until(till, checkout_id, in_flight=False)

        assert checkout.state == wallet_pb2.CHECKOUT_STATE_REFUNDED


async def _captured_minor(town: Town) -> int:
    """Sum what the provider has captured for the town's checkouts; they have this database alone."""
    answer: Any = await town.sandbox.get("/v1/payment_intents?limit=100")
    async with town.database.open() as db, db.connection() as conn:
        rows = await conn.fetch("SELECT payment_id FROM payment")
    payments = {str(row["payment_id"]) for row in rows}
    return sum(
        intent["amount_received"]
        for intent in answer["data"]
        if intent["metadata"].get("payment") in payments
    )
