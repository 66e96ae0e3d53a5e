"""The wallet's API: phones, tills and operators against the running process."""

import asyncio
import signal
from collections.abc import Awaitable
from typing import Any
from uuid import UUID

import grpc
import pytest

from cagnotte.points.v1 import points_pb2
from cagnotte.wallet.v1 import (
    checkout_service_pb2,
    payment_method_service_pb2,
    prepaid_service_pb2,
    wallet_pb2,
    wallet_service_pb2,
)
from cagnotte.wallet.v1.payment_method_service_pb2_grpc import PaymentMethodServiceStub
from services.common.kernel.ids import new_uuid7
from services.common.runtime.config import CallerKind
from services.common.runtime.grpc_client import parse_error
from tests.integration.wallet.process import Town, pay_request
from tests.integration.wallet.world import (
    CARD_MINOR,
    DUE_MINOR,
    KITTY_MINOR,
    PREPAID_MINOR,
    ticket,
)

SETTLED = wallet_pb2.CHECKOUT_STATE_SETTLED
HEARD_SECONDS_MAX = 60.0


def watch_request(
    checkout_id: str, after_version: int = 0
) -> checkout_service_pb2.WatchCheckoutRequest:
    """Ask for the states after a version."""
    return checkout_service_pb2.WatchCheckoutRequest(
        checkout_id=checkout_id, after_version=after_version
    )


class TestPaymentMethods:
    async def test_enrolled_listed_defaulted_detached(self, town: Town) -> None:
        """A card's life as tokens: nothing but what a shopper recognizes is told."""
        async with town.running(), town.phone() as phone:
            first = await town.enrol(phone, "pm_card_visa")
            second = await town.enrol(phone, "pm_card_mastercard")
            again = await town.enrol(phone, "pm_card_visa")
            await phone.methods.SetDefaultPaymentMethod(
                payment_method_service_pb2.SetDefaultPaymentMethodRequest(
                    payment_method_id=second.payment_method_id
                )
            )
            detach = payment_method_service_pb2.DetachPaymentMethodRequest(
                payment_method_id=second.payment_method_id
            )
            await phone.methods.DetachPaymentMethod(detach)
            await phone.methods.DetachPaymentMethod(detach)
            left = await phone.methods.ListPaymentMethods(
                payment_method_service_pb2.ListPaymentMethodsRequest()
            )

        assert (first.brand, first.last_four, first.is_default) == ("visa", "4242", True)
        assert again == first
        assert [method.payment_method_id for method in left.payment_methods] == [
            first.payment_method_id
        ]
        assert left.payment_methods[0].is_default

    async def test_somebody_elses_enrolment_leads_nowhere(self, town: Town) -> None:
        """An enrolment's name alone gives nobody a card."""
        async with (
            town.running(),
            town.phone() as phone,
            town.phone(new_uuid7()) as other,
        ):
            await town.enrol(other, "pm_card_mastercard")
            begun = await phone.methods.CreateEnrolment(
                payment_method_service_pb2.CreateEnrolmentRequest(request_id=str(new_uuid7()))
            )
            path = f"/v1/setup_intents/{begun.provider_reference}/confirm"
            await town.sandbox.post(path, payment_method="pm_card_visa")

            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await other.methods.ConfirmEnrolment(
                    payment_method_service_pb2.ConfirmEnrolmentRequest(
                        provider_reference=begun.provider_reference
                    )
                )

        assert parse_error(refused.value).reason == "ENROLMENT_NOT_FINISHED"


class TestPaying:
    async def test_the_till_sees_on_its_stream_what_the_phone_does(self, town: Town) -> None:
        """Quote, pay, and both hear the same end; the provider's names stay inside."""
        async with (
            town.running(),
            town.till() as till,
            town.phone() as phone,
            town.operator() as operator,
        ):
            await town.enrol(phone, "pm_card_visa")
            checkout_id = await town.open_claimed(till, phone)
            stream = till.checkouts.WatchCheckout(watch_request(checkout_id))
            watching = asyncio.ensure_future(_states(stream))
            quote = await phone.checkouts.QuoteTenders(
                checkout_service_pb2.QuoteTendersRequest(checkout_id=checkout_id)
            )
            paid = (await phone.checkouts.PayCheckout(pay_request(checkout_id))).checkout
            states = await asyncio.wait_for(watching, HEARD_SECONDS_MAX)
            get = checkout_service_pb2.GetCheckoutRequest(checkout_id=checkout_id)
            known = (await operator.checkouts.GetCheckout(get)).checkout
            totals = await operator.wallet.GetWalletTotals(
                wallet_service_pb2.GetWalletTotalsRequest()
            )

        amounts = [tender.amount_minor for tender in quote.tenders]
        assert (amounts, quote.missing_minor) == ([KITTY_MINOR, PREPAID_MINOR, CARD_MINOR], 0)
        assert sum(share.amount_minor for share in quote.line_shares) == DUE_MINOR
        assert paid.state == SETTLED
        assert [leg.provider_reference for leg in paid.legs] == ["", "", ""]
        assert known.legs[2].provider_reference.startswith("pi_")
        assert states[-1] == paid
        assert [state.version for state in states] == sorted({s.version for s in states})
        assert (totals.checkouts_settled, totals.card_captured_minor) == (1, CARD_MINOR)

    async def test_pending_first_the_last_word_on_the_stream(self, town: Town) -> None:
        """A provider that hangs costs the till its budget and no more; the stream tells the end."""
        async with (
            town.running(budget_seconds=0.3),
            town.till() as till,
            town.phone() as phone,
        ):
            await town.enrol(phone, "pm_card_hang")
            checkout_id = await town.open_claimed(till, phone)
            pending = (await phone.checkouts.PayCheckout(pay_request(checkout_id))).checkout
            stream = till.checkouts.WatchCheckout(watch_request(checkout_id, pending.version))
            states = await asyncio.wait_for(_states(stream), HEARD_SECONDS_MAX)

        assert pending.state == wallet_pb2.CHECKOUT_STATE_PROCESSING
        assert any(state.outcome_unknown for state in states)
        assert states[-1].state == SETTLED
        assert all(state.version > pending.version for state in states)

    async def test_a_stream_goes_on_in_the_next_process(self, town: Town) -> None:
        """A stop ends the stream at once; from the version last seen nothing is missed."""
        async with town.till() as till, town.phone() as phone:
            async with town.running() as process:
                await town.enrol(phone, "pm_card_visa")
                checkout_id = await town.open_claimed(till, phone)
                stream = aiter(till.checkouts.WatchCheckout(watch_request(checkout_id)))
                seen = (await anext(stream)).checkout.version
                process.send_signal(signal.SIGTERM)
                with pytest.raises(grpc.aio.AioRpcError) as ended:
                    await asyncio.wait_for(_states(stream), HEARD_SECONDS_MAX)
                assert await process.wait() == 0
            async with town.running():
                again = till.checkouts.WatchCheckout(watch_request(checkout_id, seen))
                watching = asyncio.ensure_future(_states(again))
                await phone.checkouts.PayCheckout(pay_request(checkout_id))
                states = await asyncio.wait_for(watching, HEARD_SECONDS_MAX)

        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert states[0].version > seen
        assert states[-1].state == SETTLED

    async def test_a_till_hears_of_what_another_process_did(self, town: Town) -> None:
        """Two processes serve one shard: a stream of the one sees the commits of the other."""
        second = Town(
            town.database,
            town.sandbox,
            town.neighbors,
            town.keys,
            customer_id=town.customer_id,
        )
        async with (
            town.running(),
            second.running(),
            town.till() as till,
            second.phone() as phone,
        ):
            await second.enrol(phone, "pm_card_visa")
            checkout_id = await second.open_claimed(till, phone)
            stream = till.checkouts.WatchCheckout(watch_request(checkout_id))
            watching = asyncio.ensure_future(_states(stream))
            await phone.checkouts.PayCheckout(pay_request(checkout_id))
            states = await asyncio.wait_for(watching, HEARD_SECONDS_MAX)

        assert states[-1].state == SETTLED


class TestRefusals:
    async def test_somebody_elses_checkout_does_not_exist(self, town: Town) -> None:
        """Reading, quoting, paying, cancelling and watching: all NOT_FOUND for another shopper."""
        async with (
            town.running(),
            town.till() as till,
            town.phone() as phone,
            town.phone(new_uuid7()) as other,
        ):
            checkout_id = await town.open_claimed(till, phone)
            calls: list[Awaitable[Any]] = [
                other.checkouts.GetCheckout(
                    checkout_service_pb2.GetCheckoutRequest(checkout_id=checkout_id)
                ),
                other.checkouts.QuoteTenders(
                    checkout_service_pb2.QuoteTendersRequest(checkout_id=checkout_id)
                ),
                other.checkouts.PayCheckout(pay_request(checkout_id)),
                other.checkouts.CancelCheckout(
                    checkout_service_pb2.CancelCheckoutRequest(checkout_id=checkout_id)
                ),
                _states(other.checkouts.WatchCheckout(watch_request(checkout_id))),
            ]
            answers = await asyncio.gather(*calls, return_exceptions=True)
            claim = checkout_service_pb2.ClaimCheckoutRequest(checkout_id=checkout_id)
            with pytest.raises(grpc.aio.AioRpcError) as claimed:
                await other.checkouts.ClaimCheckout(claim)

        assert [_reason(answer) for answer in answers] == ["CHECKOUT_NOT_FOUND"] * len(calls)
        assert parse_error(claimed.value).reason == "CHECKOUT_CLAIMED"

    async def test_a_shopper_without_a_customer_id_is_told_so(self, town: Town) -> None:
        """A token whose subject is no UUID opens nothing, and is not answered with a missing checkout."""
        async with (
            town.running(),
            town.calling(CallerKind.SHOPPER, "somebody@example.com") as channel,
        ):
            phone = PaymentMethodServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await phone.ListPaymentMethods(
                    payment_method_service_pb2.ListPaymentMethodsRequest()
                )

        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert parse_error(refused.value).reason == "CALLER_NOT_ALLOWED"

    async def test_the_nil_id_names_nothing(self, town: Town) -> None:
        """Ids tell commands apart, so nobody's can be all zeros."""
        nil = str(UUID(int=0))
        async with town.running(), town.till() as till, town.phone() as phone:
            basket = ticket_of(town)
            basket.ticket.checkout_id = nil
            top_up = prepaid_service_pb2.TopUpRequest(request_id=nil, amount_minor=2_500)
            answers = await asyncio.gather(
                till.checkouts.OpenCheckout(basket),
                phone.prepaid.TopUp(top_up),
                return_exceptions=True,
            )

        assert [_reason(answer) for answer in answers] == ["TICKET_NOT_PAYABLE", "FIELD_INVALID"]

    async def test_a_card_number_in_a_basket_is_refused(self, town: Town) -> None:
        """Nothing that looks like a PAN gets in, not even as a brand."""
        async with town.running(), town.till() as till:
            basket = ticket_of(town)
            basket.ticket.lines[0].brand = "4242 4242 4242 4242"

            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await till.checkouts.OpenCheckout(basket)

        assert parse_error(refused.value).reason == "PAN_REFUSED"

    async def test_a_ticket_belongs_to_one_checkout(self, town: Town) -> None:
        """A second checkout for the same ticket is refused while the first one lives."""
        async with town.running(), town.till() as till:
            first = ticket_of(town)
            await till.checkouts.OpenCheckout(first)
            second = checkout_service_pb2.OpenCheckoutRequest()
            second.CopyFrom(first)
            second.ticket.checkout_id = str(new_uuid7())

            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await till.checkouts.OpenCheckout(second)
            await till.checkouts.CancelCheckout(
                checkout_service_pb2.CancelCheckoutRequest(checkout_id=first.ticket.checkout_id)
            )
            opened = await till.checkouts.OpenCheckout(second)

        assert parse_error(refused.value).reason == "TICKET_KEY_TAKEN"
        assert opened.checkout.state == wallet_pb2.CHECKOUT_STATE_OPEN

    async def test_a_time_that_is_no_instant_is_refused(self, town: Town) -> None:
        """Points could never record the ticket; whatever the till's clock sends, nobody pays it."""
        baskets = [ticket_of(town) for _ in range(4)]
        baskets[0].ticket.occur_time.nanos = 1_000_000_007
        baskets[1].ticket.occur_time.nanos = -5
        baskets[2].ticket.occur_time.seconds = 10**15
        baskets[3].ticket.occur_time.seconds = -62_135_596_801
        async with town.running(), town.till() as till:
            answers = await asyncio.gather(
                *(till.checkouts.OpenCheckout(basket) for basket in baskets),
                return_exceptions=True,
            )

        for answer in answers:
            assert isinstance(answer, grpc.aio.AioRpcError)
            assert answer.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert parse_error(answer) == (
                "FIELD_INVALID",
                {"field": "ticket.occur_time"},
                [("ticket.occur_time", "is not a valid instant")],
            )

    async def test_a_basket_that_a_checkout_cannot_pay_is_refused(self, town: Town) -> None:
        """Cash on the ticket is none of the phone's business."""
        async with town.running(), town.till() as till:
            basket = ticket_of(town)
            basket.ticket.tenders[0].kind = points_pb2.TENDER_KIND_CASH

            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await till.checkouts.OpenCheckout(basket)

        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert parse_error(refused.value).reason == "TICKET_NOT_PAYABLE"


class TestPrepaid:
    async def test_a_top_up_is_charged_once(self, town: Town) -> None:
        """A repeat gets the same top-up; another shopper sees none."""
        request = prepaid_service_pb2.TopUpRequest(request_id=str(new_uuid7()), amount_minor=2_500)
        get = prepaid_service_pb2.GetTopUpRequest(top_up_id=request.request_id)
        async with (
            town.running(),
            town.phone() as phone,
            town.phone(new_uuid7()) as other,
            town.operator() as operator,
        ):
            await town.enrol(phone, "pm_card_visa")
            first = (await phone.prepaid.TopUp(request)).top_up
            again = (await phone.prepaid.TopUp(request)).top_up
            with pytest.raises(grpc.aio.AioRpcError) as unseen:
                await other.prepaid.GetTopUp(get)
            with pytest.raises(grpc.aio.AioRpcError) as no_card:
                await other.prepaid.TopUp(
                    prepaid_service_pb2.TopUpRequest(
                        request_id=str(new_uuid7()), amount_minor=2_500
                    )
                )
            balance = await phone.prepaid.GetPrepaidBalance(
                prepaid_service_pb2.GetPrepaidBalanceRequest()
            )
            totals = await operator.wallet.GetWalletTotals(
                wallet_service_pb2.GetWalletTotalsRequest()
            )

        assert first.state == wallet_pb2.TOP_UP_STATE_SETTLED
        assert again == first
        assert parse_error(unseen.value).reason == "TOP_UP_NOT_FOUND"
        assert parse_error(no_card.value).reason == "PAYMENT_METHOD_NOT_FOUND"
        assert balance.available.minor_units == PREPAID_MINOR
        assert (totals.top_ups_settled, totals.card_captured_minor) == (1, 2_500)


def ticket_of(town: Town) -> checkout_service_pb2.OpenCheckoutRequest:
    """Ask for a new basket to be paid."""
    town.sequence += 1
    return checkout_service_pb2.OpenCheckoutRequest(
        ticket=ticket(new_uuid7(), sequence=town.sequence)
    )


async def _states(stream: Any) -> list[wallet_pb2.Checkout]:
    return [response.checkout async for response in stream]


def _reason(answer: object) -> str:
    assert isinstance(answer, grpc.aio.AioRpcError), answer
    return parse_error(answer).reason
