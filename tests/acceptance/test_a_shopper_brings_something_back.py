"""Journey 4, as far as a whole basket: each tender gets back what it paid, value its expiry, the state its VAT."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from cagnotte.common.v1 import money_pb2
from cagnotte.points.v1 import points_pb2 as pb
from cagnotte.points.v1 import points_service_pb2 as rpc
from cagnotte.wallet.v1 import wallet_pb2
from services.common.kernel.ids import new_uuid7
from services.simulator.errors import ServiceRefusedError
from tests.acceptance.conftest import Stack
from tests.acceptance.shopping import (
    VISA,
    Shop,
    Shopper,
    eventually,
    line,
    open_shop,
    settled_books,
    tender,
)

KITTY = wallet_pb2.TENDER_KIND_KITTY
POINTS = wallet_pb2.TENDER_KIND_POINTS
PREPAID = wallet_pb2.TENDER_KIND_PREPAID
CARD = wallet_pb2.TENDER_KIND_CARD
OPEN = wallet_pb2.CHECKOUT_STATE_OPEN
SETTLED = wallet_pb2.CHECKOUT_STATE_SETTLED
REFUNDED = wallet_pb2.CHECKOUT_STATE_REFUNDED


@pytest.fixture
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    """Open the store."""
    async with open_shop(stack) as opened:
        yield opened


def groceries(shop: Shop, shopper: Shopper) -> pb.Ticket:
    """Give a basket of 51.49 EUR at two VAT rates, of which a supplier's coupon pays 1.50."""
    return shop.basket(
        shopper,
        line(1, "Private", 2_150, coupon=150),
        line(2, "National", 2_999, vat_rate_bp=2_000),
    )


async def paid(
    shop: Shop, shopper: Shopper, ticket: pb.Ticket, *tenders: wallet_pb2.TenderRequest
) -> UUID:
    """Pay a basket by phone, send its ticket, and wait until it has earned."""
    checkout_id = UUID((await shop.till.open(ticket)).checkout_id)
    await shopper.phone.claim(checkout_id)
    answer = await shopper.phone.pay(checkout_id, tenders, request_id=new_uuid7())
    assert (await shopper.phone.wait_for_rest(answer)).state == SETTLED
    await shop.record(ticket)
    await shop.follower.settlement(ticket.key)
    return checkout_id


async def expirations(shop: Shop, shopper: Shopper) -> list[tuple[int, int, int]]:
    """Give what a member has: currency, first second at which it is over, and quantity."""
    request = rpc.GetBalancesRequest(member_id=str(shopper.member_id))
    answer = await shop.stack.operator.call(shop.stack.points.GetBalances, request)
    return [
        (balance.currency, end.expire_time.seconds, end.quantity)
        for balance in answer.balances
        for end in balance.expirations
    ]


class TestAWholeBasketBroughtBack:
    async def test_gives_each_tender_what_it_paid(self, stack: Stack, shop: Shop) -> None:
        """Card, prepaid balance, kitty with its expiry, sale, VAT and coupon: all as it was before."""
        shopper = await shop.shopper()
        await shop.give_kitty(shopper, 100)
        await shop.top_up(shopper, 2_000)
        value, provider = await expirations(shop, shopper), await shop.provider()

        async def rest() -> dict[str, int]:
            return await shop.general_ledger()

        books = await settled_books(stack, shop)
        ticket = groceries(shop, shopper)
        checkout_id = await paid(
            shop, shopper, ticket, tender(KITTY), tender(PREPAID), tender(CARD)
        )
        during = await expirations(shop, shopper)

        refunded = await shop.till.wait_for_refund(
            await shop.till.refund(checkout_id, request_id=new_uuid7())
        )
        reversal = await shop.follower.reversal(ticket.key)

        assert refunded.state == REFUNDED
        amounts = {
            amount.currency: (amount.restored, amount.taken, amount.shortfall)
            for amount in reversal.amounts
        }
        # 49.99 less 1.00 of kitty had earned 48 points and 5 % of 19.60.
        assert amounts[money_pb2.LOYALTY_CURRENCY_POINTS] == (0, 48, 0)
        assert amounts[money_pb2.LOYALTY_CURRENCY_KITTY] == (100, 98, 0)
        assert during != value
        assert await expirations(shop, shopper) == value, "with the expiry it was earned with"
        after = await shop.provider()
        assert after.captured_minor == provider.captured_minor + 2_899
        assert after.refunded_minor == provider.refunded_minor + 2_899
        assert await shopper.phone.wait_for_prepaid(2_000) == 2_000
        assert await eventually(rest, books) == books

    async def test_is_refunded_once_however_often_it_is_asked(self, shop: Shop) -> None:
        """Many tills at once with one id, and then another with its own: one refund at the provider."""
        shopper = await shop.shopper()
        await shopper.enrol(VISA)
        checkout_id = await paid(shop, shopper, groceries(shop, shopper), tender(CARD))
        provider = await shop.provider()
        refund_id = new_uuid7()

        answers = await asyncio.gather(
            *(shop.till.refund(checkout_id, request_id=refund_id) for _ in range(6))
        )
        ends = [await shop.till.wait_for_refund(answer) for answer in answers]
        with pytest.raises(ServiceRefusedError) as caught:
            await shop.till.refund(checkout_id, request_id=new_uuid7())

        assert {end.state for end in ends} == {REFUNDED}
        assert caught.value.reason == "CHECKOUT_NOT_REFUNDABLE"
        assert (await shop.provider()).refunded_minor == provider.refunded_minor + 4_999

    async def test_must_have_been_paid(self, shop: Shop) -> None:
        """An open checkout is cancelled, not refunded."""
        shopper = await shop.shopper()
        opened = await shop.till.open(groceries(shop, shopper))

        with pytest.raises(ServiceRefusedError) as caught:
            await shop.till.refund(UUID(opened.checkout_id), request_id=new_uuid7())

        assert caught.value.reason == "CHECKOUT_NOT_REFUNDABLE"

    @pytest.mark.parametrize(
        "card",
        [
            "pm_card_refundHang",
            "pm_card_refundDropBeforeCommit",
            "pm_card_refundDropAfterCommit",
            "pm_card_refundError500AfterCommit",
        ],
    )
    async def test_is_refunded_once_by_a_provider_that_lies(self, shop: Shop, card: str) -> None:
        """An unknown outcome is found out, never guessed and never repeated blindly."""
        shopper = await shop.shopper()
        method = await shopper.enrol(card)
        ticket = groceries(shop, shopper)
        checkout_id = await paid(shop, shopper, ticket, tender(CARD, method=method))
        provider = await shop.provider()

        answer = await shop.till.refund(checkout_id, request_id=new_uuid7())
        ended = await shop.till.wait_for_refund(answer)

        assert ended.state == REFUNDED
        assert (await shop.provider()).refunded_minor == provider.refunded_minor + 4_999

    async def test_takes_back_what_is_left_of_what_it_earned(self, shop: Shop) -> None:
        """Points that have been spent meanwhile cannot be taken back: the retailer bears them."""
        shopper = await shop.shopper()
        await shopper.enrol(VISA)
        first, second = groceries(shop, shopper), groceries(shop, shopper)
        checkout_id = await paid(shop, shopper, first, tender(CARD))
        assert (await shopper.phone.loyalty()).points == 49
        await paid(shop, shopper, second, tender(POINTS, 49), tender(CARD))
        left = (await shopper.phone.loyalty()).points

        await shop.till.wait_for_refund(await shop.till.refund(checkout_id, request_id=new_uuid7()))
        reversal = await shop.follower.reversal(first.key)

        [points] = [
            amount
            for amount in reversal.amounts
            if amount.currency == money_pb2.LOYALTY_CURRENCY_POINTS
        ]
        assert (points.taken, points.shortfall) == (0, 49)
        assert (await shopper.phone.loyalty()).points == left


class TestTheProof:
    def test_holds_after_all_of_this(self, stack: Stack) -> None:
        """Every refund at the provider has its postings, every restored lot its fact."""
        report = stack.verify()

        assert report["ok"], [check for check in report["checks"] if not check["ok"]]
