"""More tills and phones than the wallet can hold: it says so at once and keeps working, and nobody pays twice."""

from collections.abc import Sequence
from typing import Any

import grpc
import pytest

from cagnotte.wallet.v1 import checkout_service_pb2, wallet_pb2
from services.common.kernel.ids import new_uuid7
from services.wallet.domain.tender import TenderKind
from tests.integration.overload import (
    CROWD,
    QUEUE_MAX,
    ROOM,
    Heard,
    assert_told_to_wait,
    overflow,
    send_until_accepted,
    set_narrow_queue,
)
from tests.integration.wallet.process import Caller, Town, pay_request
from tests.integration.wallet.world import DUE_MINOR, ticket

WAVES = 3
PHONES = 2 * ROOM
"""As many as the provider lists on one page, and as many again as the wallet holds."""

UNHURRIED_SECONDS = 60.0
"""The wallet may wait so long for a payment's end, so that its answer is that end."""


@pytest.fixture(autouse=True)
def narrow_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the wallet hold few commands at a time, and one shopper have as many cards asked at once as there are."""
    set_narrow_queue(monkeypatch, "WALLET")
    monkeypatch.setenv("WALLET_DECLINES_MAX", str(PHONES + 1))


def open_requests(wave: int = 0) -> list[checkout_service_pb2.OpenCheckoutRequest]:
    """Give as many checkouts as a crowd of tills opens at once."""
    first = 1 + wave * CROWD
    return [
        checkout_service_pb2.OpenCheckoutRequest(ticket=ticket(new_uuid7(), sequence=number))
        for number in range(first, first + CROWD)
    ]


async def state_of(caller: Caller, checkout_id: str) -> wallet_pb2.CheckoutState.ValueType:
    """Ask how a checkout stands; fails where there is none."""
    request = checkout_service_pb2.GetCheckoutRequest(checkout_id=checkout_id)
    return (await caller.checkouts.GetCheckout(request)).checkout.state


async def card_payments(
    town: Town, till: Caller, phone: Caller
) -> Sequence[checkout_service_pb2.PayCheckoutRequest]:
    """Enroll a card, open and claim a checkout for each phone, and give what they will send."""
    await town.enrol(phone, "pm_card_visa")
    return [
        pay_request(await town.open_claimed(till, phone), TenderKind.CARD) for _ in range(PHONES)
    ]


async def captured(town: Town) -> list[int]:
    """Give what the provider has captured for this database's payments, one by one."""
    answer: Any = await town.sandbox.get("/v1/payment_intents?limit=100")
    async with town.database.open() as db, db.connection() as conn:
        rows = await conn.fetch("SELECT payment_id FROM payment")
    payments = {str(row["payment_id"]) for row in rows}
    return [
        intent["amount_received"]
        for intent in answer["data"]
        if intent["metadata"].get("payment") in payments
    ]


def assert_settled(heard: Heard[checkout_service_pb2.PayCheckoutRequest]) -> None:
    """Check that each payment which was let in came to its end."""
    for answer in heard.answers:
        assert answer.checkout.state == wallet_pb2.CHECKOUT_STATE_SETTLED


class TestTills:
    async def test_are_answered_at_once_with_when_to_try_again(self, town: Town) -> None:
        """Whoever finds no room hears RESOURCE_EXHAUSTED, its reason and a pause, and left no trace."""
        async with town.till() as till, town.running():
            heard = await overflow(town.database, till.checkouts.OpenCheckout, open_requests())

            assert_told_to_wait(heard.errors)
            for refused in heard.refused:
                with pytest.raises(grpc.aio.AioRpcError) as unknown:
                    await state_of(till, refused.ticket.checkout_id)
                assert unknown.value.code() is grpc.StatusCode.NOT_FOUND

    async def test_do_not_stop_the_work(self, town: Town) -> None:
        """Wave upon wave, as many checkouts as there is room for are opened."""
        async with town.till() as till, town.running():
            for wave in range(WAVES):
                requests = open_requests(wave)
                heard = await overflow(town.database, till.checkouts.OpenCheckout, requests)

                assert len(heard.accepted) >= QUEUE_MAX
                for request in heard.accepted:
                    state = await state_of(till, request.ticket.checkout_id)
                    assert state == wallet_pb2.CHECKOUT_STATE_OPEN

    async def test_get_through_when_they_wait_as_told(self, town: Town) -> None:
        """In the end every checkout is open, and a lone till is served."""
        async with town.till() as till, town.running():
            requests = open_requests()
            heard = await overflow(town.database, till.checkouts.OpenCheckout, requests)
            await send_until_accepted(till.checkouts.OpenCheckout, heard)

            for request in requests:
                state = await state_of(till, request.ticket.checkout_id)
                assert state == wallet_pb2.CHECKOUT_STATE_OPEN
            await till.checkouts.OpenCheckout(open_requests(1)[0])


class TestPhones:
    async def test_that_are_refused_have_paid_nothing(self, town: Town) -> None:
        """Those that are let in pay once, beside the crowd; of the others the provider never heard."""
        async with (
            town.till() as till,
            town.phone() as phone,
            town.running(budget_seconds=UNHURRIED_SECONDS),
        ):
            requests = await card_payments(town, till, phone)

            heard = await overflow(town.database, phone.checkouts.PayCheckout, requests)

            assert_told_to_wait(heard.errors)
            assert_settled(heard)
            for refused in heard.refused:
                state = await state_of(till, refused.checkout_id)
                assert state == wallet_pb2.CHECKOUT_STATE_OPEN
            assert await captured(town) == [DUE_MINOR] * len(heard.accepted)

    async def test_pay_once_when_they_wait_as_told(self, town: Town) -> None:
        """In the end every checkout is paid, each by one payment."""
        async with (
            town.till() as till,
            town.phone() as phone,
            town.running(budget_seconds=UNHURRIED_SECONDS),
        ):
            requests = await card_payments(town, till, phone)

            heard = await overflow(town.database, phone.checkouts.PayCheckout, requests)
            await send_until_accepted(phone.checkouts.PayCheckout, heard)

            for request in requests:
                state = await state_of(till, request.checkout_id)
                assert state == wallet_pb2.CHECKOUT_STATE_SETTLED
            assert await captured(town) == [DUE_MINOR] * PHONES
