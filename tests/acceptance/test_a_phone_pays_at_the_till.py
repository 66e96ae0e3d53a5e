"""Journey 2: a till opens a checkout, a phone pays it with three tenders in one gesture, points and books follow.

The provider is the stack's sandbox, whose cards decline, hang and lie as ``docs/provider.md`` says.
"""

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
from services.simulator.tickets import paid_in_cash
from tests.acceptance.conftest import Stack
from tests.acceptance.shopping import (
    VISA,
    Shop,
    Shopper,
    earned,
    eventually,
    groceries,
    open_shop,
    settled_books,
    tender,
)

KITTY = wallet_pb2.TENDER_KIND_KITTY
POINTS = wallet_pb2.TENDER_KIND_POINTS
PREPAID = wallet_pb2.TENDER_KIND_PREPAID
CARD = wallet_pb2.TENDER_KIND_CARD
OPEN = wallet_pb2.CHECKOUT_STATE_OPEN
PROCESSING = wallet_pb2.CHECKOUT_STATE_PROCESSING
SETTLED = wallet_pb2.CHECKOUT_STATE_SETTLED
CANCELLED = wallet_pb2.CHECKOUT_STATE_CANCELLED


@pytest.fixture
async def shop(stack: Stack) -> AsyncIterator[Shop]:
    """Open the store."""
    async with open_shop(stack) as opened:
        yield opened


async def claimed(shop: Shop, shopper: Shopper, ticket: pb.Ticket) -> UUID:
    """Open a checkout at the till and let the phone read its code."""
    checkout = await shop.till.open(ticket)
    assert checkout.state == OPEN
    checkout_id = UUID(checkout.checkout_id)
    assert (await shopper.phone.claim(checkout_id)).customer_id == str(shopper.customer_id)
    return checkout_id


async def paid(
    shopper: Shopper, checkout_id: UUID, *tenders: wallet_pb2.TenderRequest
) -> wallet_pb2.Checkout:
    """Pay by phone, and wait for the end: on a busy machine the first answer may be that it is still at work."""
    answer = await shopper.phone.pay(checkout_id, tenders, request_id=new_uuid7())
    return await shopper.phone.wait_for_rest(answer)


class TestThreeTendersInOneGesture:
    async def test_settle_are_booked_once_and_earn_once(self, stack: Stack, shop: Shop) -> None:
        """Kitty, prepaid and card pay one basket; the till's stream says so; its ticket is recognized."""
        shopper = await shop.shopper()
        await shop.give_kitty(shopper, 100)
        await shop.top_up(shopper, 2_000)
        provider, books = await shop.provider(), await settled_books(stack, shop)
        ticket = groceries(shop, shopper)
        before = await shopper.phone.loyalty()

        opened = await shop.till.open(ticket)
        listening = asyncio.create_task(shop.till.wait_for_last_word(opened))
        checkout_id = await claimed(shop, shopper, ticket)
        quote = await shopper.phone.quote(checkout_id)
        await shopper.phone.pay(
            checkout_id, [tender(KITTY), tender(PREPAID), tender(CARD)], request_id=new_uuid7()
        )
        heard = await listening
        outcome = await shop.record(ticket)

        assert (quote.due_minor, quote.missing_minor) == (4_999, 0)
        planned = [(each.kind, each.amount_minor) for each in quote.tenders]
        assert planned == [(KITTY, 100), (PREPAID, 2_000), (CARD, 2_899)]
        assert heard.state == SETTLED
        assert [(leg.kind, leg.amount_minor) for leg in heard.legs] == planned
        assert not any(leg.provider_reference for leg in heard.legs), "tills do not see it"
        assert outcome.status == pb.TICKET_STATUS_RECORDED
        # 49.99 less 1.00 of kitty are 48 whole euros; 20.00 of 49.99 are of the own brand, which bears
        # 0.40 of the kitty: 5 % of 19.60 are 0.98.
        assert await earned(shop, ticket) == {
            money_pb2.LOYALTY_CURRENCY_POINTS: 48,
            money_pb2.LOYALTY_CURRENCY_KITTY: 98,
        }
        after = await shopper.phone.loyalty()
        assert after.points == before.points + 48
        assert after.kitty_minor == before.kitty_minor - 100 + 98
        assert (await shop.provider()).captured_minor == provider.captured_minor + 2_899
        assert await shopper.phone.prepaid_minor() == 0

        async def look() -> dict[str, int]:
            return await shop.booked(books)

        # VAT is due on 50.49: 2.63 instead of 2.68. The quantities are those of points (80.1..) and kitty (80.2..).
        expected = {
            "445711": 263,
            "467100": -2_000,
            "467200": -150,
            "511500": -2_899,
            "707100": 4_881,
            "709700": -95,
            "801100": 48,
            "801200": -2,
            "809110": -48,
            "809210": -98,
            "809220": 100,
        }
        assert await eventually(look, expected) == expected
        assert await shop.balance("checkout/clearing") == 0

    async def test_may_be_points_too(self, shop: Shop) -> None:
        """A hundred points pay a euro; they are a price reduction as the kitty is."""
        shopper = await shop.shopper()
        await shop.give_kitty(shopper, 1_000)  # A basket of 200.00, which earns 200 points.
        ticket = groceries(shop, shopper)
        checkout_id = await claimed(shop, shopper, ticket)
        await shopper.enrol(VISA)

        checkout = await paid(shopper, checkout_id, tender(POINTS, 150), tender(CARD))

        assert checkout.state == SETTLED
        assert [(leg.amount_minor, leg.quantity) for leg in checkout.legs] == [
            (150, 150),
            (4_849, 0),
        ]
        assert (await earned(shop, ticket))[money_pb2.LOYALTY_CURRENCY_POINTS] == 48
        assert (await shopper.phone.loyalty()).points == 200 - 150 + 48

    async def test_need_not_include_a_card(self, shop: Shop) -> None:
        """What shoppers have stored can pay everything."""
        shopper = await shop.shopper()
        await shop.top_up(shopper, 5_000)
        provider = await shop.provider()
        checkout_id = await claimed(shop, shopper, groceries(shop, shopper))

        checkout = await paid(shopper, checkout_id, tender(PREPAID))

        assert checkout.state == SETTLED
        assert await shop.provider() == provider
        assert await eventually(lambda: shop.balance(shopper.prepaid_account), 1) == 1

    async def test_that_do_not_suffice_reserve_nothing(self, shop: Shop) -> None:
        """The phone is told what is missing, and may still pay another way."""
        shopper = await shop.shopper()
        await shop.give_kitty(shopper, 100)
        checkout_id = await claimed(shop, shopper, groceries(shop, shopper))

        with pytest.raises(ServiceRefusedError) as caught:
            await shopper.phone.pay(checkout_id, [tender(KITTY)], request_id=new_uuid7())

        assert caught.value.reason == "TENDERS_INSUFFICIENT"
        assert (await shopper.phone.loyalty()).kitty_minor == 100
        found = await shop.till.look(checkout_id)
        assert found is not None
        assert (found.state, found.attempt) == (OPEN, 0)


class TestADeclinedCard:
    async def test_leaves_everything_as_it_was_and_another_card_pays(self, shop: Shop) -> None:
        """A decline is an answer: holds are given back, the checkout is open again, and a new attempt settles it."""
        shopper = await shop.shopper()
        await shop.give_kitty(shopper, 100)
        await shop.top_up(shopper, 2_000)
        broke = await shopper.enrol("pm_card_chargeDeclinedInsufficientFunds")
        good = await shopper.enrol(VISA)
        provider = await shop.provider()
        ticket = groceries(shop, shopper)
        checkout_id = await claimed(shop, shopper, ticket)

        declined = await paid(
            shopper, checkout_id, tender(KITTY), tender(PREPAID), tender(CARD, method=broke)
        )
        kitty = (await shopper.phone.loyalty()).kitty_minor
        prepaid = await shopper.phone.prepaid_minor()
        settled = await paid(
            shopper, checkout_id, tender(KITTY), tender(PREPAID), tender(CARD, method=good)
        )

        assert (declined.state, declined.attempt) == (OPEN, 1)
        assert declined.decline.code == "card_declined"
        assert declined.decline.issuer_code == "insufficient_funds"
        assert (kitty, prepaid) == (100, 2_000)
        assert (settled.state, settled.attempt) == (SETTLED, 2)
        assert (await shop.provider()).captured_minor == provider.captured_minor + 2_899
        assert (await earned(shop, ticket))[money_pb2.LOYALTY_CURRENCY_POINTS] == 48

    async def test_can_be_followed_by_cash_under_the_same_number(
        self, stack: Stack, shop: Shop
    ) -> None:
        """The till gives the checkout up and sends an ordinary ticket: one sale, and nothing charged."""
        shopper = await shop.shopper()
        card = await shopper.enrol("pm_card_chargeDeclined")
        provider, books = await shop.provider(), await settled_books(stack, shop)
        ticket = groceries(shop, shopper)
        checkout_id = await claimed(shop, shopper, ticket)

        await paid(shopper, checkout_id, tender(CARD, method=card))
        cancelled = await shop.till.cancel(checkout_id)
        outcome = await shop.record(in_cash(ticket))

        assert cancelled.state == CANCELLED
        assert outcome.decision.state == pb.LOYALTY_STATE_EARNED
        assert await shop.provider() == provider

        async def look() -> int:
            return (await shop.booked(books)).get("530000", 0)

        assert await eventually(look, -4_999) == -4_999


def in_cash(ticket: pb.Ticket) -> pb.Ticket:
    """Give the ticket that the till sends when the basket is paid in cash after all."""
    return paid_in_cash(rpc.RecordTicketRequest(ticket=ticket)).ticket


class TestAProviderThatHangs:
    async def test_is_pending_for_the_till_and_has_the_last_word_later(self, shop: Shop) -> None:
        """The phone is answered within the till's budget; holds stay; the stream brings the end, and one charge."""
        shopper = await shop.shopper()
        await shop.give_kitty(shopper, 100)
        card = await shopper.enrol("pm_card_hang")
        provider = await shop.provider()
        ticket = groceries(shop, shopper)
        opened = await shop.till.open(ticket)
        listening = asyncio.create_task(shop.till.wait_for_last_word(opened))
        checkout_id = await claimed(shop, shopper, ticket)

        pending = await shopper.phone.pay(
            checkout_id, [tender(KITTY), tender(CARD, method=card)], request_id=new_uuid7()
        )
        kitty = (await shopper.phone.loyalty()).kitty_minor
        was_heard = listening.done()
        heard = await listening

        assert pending.state == PROCESSING
        assert kitty == 0, "held"
        assert not was_heard
        assert heard.state == SETTLED
        assert (await shop.provider()).captured_minor == provider.captured_minor + 4_899
        assert (await earned(shop, ticket))[money_pb2.LOYALTY_CURRENCY_POINTS] == 48

    async def test_can_be_given_up_and_charges_nothing(self, shop: Shop) -> None:
        """A cancellation waits until it is known what the provider did, and undoes it."""
        shopper = await shop.shopper()
        await shop.give_kitty(shopper, 100)
        card = await shopper.enrol("pm_card_hang")
        provider = await shop.provider()
        ticket = groceries(shop, shopper)
        checkout_id = await claimed(shop, shopper, ticket)

        await shopper.phone.pay(
            checkout_id, [tender(KITTY), tender(CARD, method=card)], request_id=new_uuid7()
        )
        cancelling = await shop.till.cancel(checkout_id)
        ended = await shop.till.wait_for_last_word(cancelling)

        assert cancelling.state == PROCESSING
        assert ended.state == CANCELLED
        assert await shop.provider() == provider
        assert (await shopper.phone.loyalty()).kitty_minor == 100


class TestAProviderThatLies:
    @pytest.mark.parametrize(
        "card",
        [
            "pm_card_dropAfterCommit",
            "pm_card_dropBeforeCommit",
            "pm_card_error500AfterCommit",
            "pm_card_captureDropAfterCommit",
            "pm_card_captureError500AfterCommit",
            "pm_card_webhookTwice",
            "pm_card_webhookReordered",
            "pm_card_webhookBadlySigned",
            "pm_card_webhookMissing",
        ],
    )
    async def test_charges_exactly_once(self, shop: Shop, card: str) -> None:
        """Whatever the connection and the webhooks do, the truth is found out and booked."""
        shopper = await shop.shopper()
        method = await shopper.enrol(card)
        provider, books = await shop.provider(), await shop.balance("gl/511500/wallet")
        ticket = groceries(shop, shopper)
        checkout_id = await claimed(shop, shopper, ticket)

        answer = await shopper.phone.pay(
            checkout_id, [tender(CARD, method=method)], request_id=new_uuid7()
        )
        ended = await shop.till.wait_for_last_word(answer)

        assert (ended.state, ended.attempt) == (SETTLED, 1)
        assert (await shop.provider()).captured_minor == provider.captured_minor + 4_999
        wanted = books - 4_999
        assert await eventually(lambda: shop.balance("gl/511500/wallet"), wanted) == wanted


class TestRepeats:
    async def test_of_every_command_change_nothing(self, shop: Shop) -> None:
        """A till and a phone that hear nothing send the same again, many times at once: one charge."""
        shopper = await shop.shopper()
        await shopper.enrol(VISA)
        provider = await shop.provider()
        ticket = groceries(shop, shopper)
        request_id = new_uuid7()

        opened = await asyncio.gather(*(shop.till.open(ticket) for _ in range(4)))
        checkout_id = UUID(opened[0].checkout_id)
        await asyncio.gather(*(shopper.phone.claim(checkout_id) for _ in range(4)))
        pays = await asyncio.gather(
            *(
                shopper.phone.pay(checkout_id, [tender(CARD)], request_id=request_id)
                for _ in range(8)
            )
        )
        ends = [await shopper.phone.wait_for_rest(answer) for answer in pays]

        assert {(end.state, end.attempt) for end in ends} == {(SETTLED, 1)}
        assert (await shop.provider()).captured_minor == provider.captured_minor + 4_999

    async def test_with_other_content_are_refused(self, shop: Shop) -> None:
        """One id stands for one attempt, and one checkout for one ticket."""
        shopper = await shop.shopper()
        await shopper.enrol(VISA)
        ticket = groceries(shop, shopper)
        checkout_id = await claimed(shop, shopper, ticket)
        request_id = new_uuid7()
        await shopper.phone.pay(checkout_id, [tender(CARD)], request_id=request_id)

        other = pb.Ticket()
        other.CopyFrom(ticket)
        other.lines[2].department = "PRODUCE"
        with pytest.raises(ServiceRefusedError) as opening:
            await shop.till.open(other)
        with pytest.raises(ServiceRefusedError) as paying:
            await shopper.phone.pay(checkout_id, [tender(CARD, 4_999)], request_id=request_id)

        assert opening.value.reason == "REQUEST_ID_REUSED"
        assert paying.value.reason == "REQUEST_ID_REUSED"

    async def test_of_the_ticket_are_recognized_whoever_is_first(self, shop: Shop) -> None:
        """The till's ticket may come before the shopper pays, and again after: it earns once."""
        shopper = await shop.shopper()
        await shopper.enrol(VISA)
        ticket = groceries(shop, shopper)
        checkout_id = await claimed(shop, shopper, ticket)

        early = await shop.record(ticket)
        await shopper.phone.pay(checkout_id, [tender(CARD)], request_id=new_uuid7())
        awards = await earned(shop, ticket)
        late = await shop.record(ticket)

        assert early.decision.state == pb.LOYALTY_STATE_AWAITING_CHECKOUT
        assert not early.decision.awards
        assert late.replayed
        assert late.decision == early.decision
        assert awards[money_pb2.LOYALTY_CURRENCY_POINTS] == 49
        assert (await shopper.phone.loyalty()).points == 49


class TestAnotherShopper:
    async def test_cannot_pay_what_somebody_has_claimed(self, shop: Shop) -> None:
        """The first phone that reads the code pays; the other is told so."""
        first, second = await shop.shopper(), await shop.shopper()
        await second.enrol(VISA)
        checkout_id = await claimed(shop, first, groceries(shop, first))

        with pytest.raises(ServiceRefusedError) as claiming:
            await second.phone.claim(checkout_id)
        with pytest.raises(ServiceRefusedError) as paying:
            await second.phone.pay(checkout_id, [tender(CARD)], request_id=new_uuid7())

        assert claiming.value.reason == "CHECKOUT_CLAIMED"
        assert paying.value.reason in {"CHECKOUT_CLAIMED", "CHECKOUT_NOT_FOUND"}


class TestTheProof:
    def test_holds_after_all_of_this(self, stack: Stack) -> None:
        """No hold is left, every intent at the provider has its postings, and every journal folds to its tables."""
        report = stack.verify()

        assert report["ok"], [check for check in report["checks"] if not check["ok"]]
