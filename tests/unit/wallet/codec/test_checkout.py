"""Checkouts, top-ups and methods as they are answered."""

from uuid import UUID

from cagnotte.wallet.v1 import wallet_pb2
from services.wallet.codec.checkout import parse_tenders, render_checkout, render_top_up
from services.wallet.codec.payment_method import render_methods
from services.wallet.domain.batch import Batch
from services.wallet.domain.checkout import Checkout
from services.wallet.domain.event import Event
from services.wallet.domain.tender import TenderKind, TenderRequest
from services.wallet.domain.top_up import TopUp
from tests.unit.wallet.codec.facts import (
    CHECKOUT,
    CHECKOUT_FACTS,
    CUSTOMER,
    SHOPPER_FACTS,
    TOP_UP,
    TOP_UP_FACTS,
)


def folded(facts: list[Event]) -> Batch:
    """Fold facts."""
    batch = Batch()
    for fact in facts:
        batch.take(fact)
    return batch


def checkout_after(count: int) -> Checkout:
    """Give the checkout after its first facts."""
    checkout = folded(CHECKOUT_FACTS[:count]).payments[CHECKOUT]
    assert isinstance(checkout, Checkout)
    return checkout


class TestCheckout:
    def test_an_open_one_says_what_is_due(self) -> None:
        """Before anybody claims it, it is nobody's, and has no legs."""
        message = render_checkout(checkout_after(1), for_staff=False)

        assert message.state == wallet_pb2.CHECKOUT_STATE_OPEN
        assert (message.total_minor, message.due_minor) == (2_000, 1_900)
        assert (message.customer_id, list(message.legs), message.version) == ("", [], 1)
        assert not message.HasField("settle_time")
        assert not message.HasField("decline")

    def test_a_decline_says_why(self) -> None:
        """The leg and the checkout carry the reason."""
        message = render_checkout(checkout_after(6), for_staff=False)

        assert message.state == wallet_pb2.CHECKOUT_STATE_OPEN
        assert message.decline.issuer_code == "insufficient_funds"
        assert message.legs[1].decline.code == "card_declined"

    def test_the_providers_names_are_for_staff(self) -> None:
        """Shoppers and tills never see them."""
        checkout = checkout_after(5)

        outside = render_checkout(checkout, for_staff=False)
        inside = render_checkout(checkout, for_staff=True)

        assert [leg.provider_reference for leg in outside.legs] == ["", ""]
        assert [leg.provider_reference for leg in inside.legs] == ["", "pi_1"]


class TestTopUp:
    def test_says_whose_it_is_and_how_much(self) -> None:
        """A top-up with its leg."""
        top_up = folded(TOP_UP_FACTS[:1]).payments[TOP_UP]
        assert isinstance(top_up, TopUp)

        message = render_top_up(top_up, for_staff=False)

        assert message.state == wallet_pb2.TOP_UP_STATE_PROCESSING
        assert (message.customer_id, message.amount_minor) == (str(CUSTOMER), 500)
        assert message.leg.kind == wallet_pb2.TENDER_KIND_CARD


class TestMethods:
    def test_are_told_without_tokens(self) -> None:
        """Brand, digits and expiry are what a shopper recognizes; the token stays inside."""
        shopper = folded(SHOPPER_FACTS[:3]).shoppers[CUSTOMER]

        [method] = render_methods(shopper)

        assert (method.brand, method.last_four, method.is_default) == ("visa", "4242", True)
        assert b"pm_1" not in method.SerializeToString()
        assert render_methods(None) == []


class TestTenders:
    def test_are_read_in_their_order(self) -> None:
        """No amount means as much as it has; no method means the default one."""
        messages = [
            wallet_pb2.TenderRequest(kind=wallet_pb2.TENDER_KIND_KITTY),
            wallet_pb2.TenderRequest(
                kind=wallet_pb2.TENDER_KIND_CARD,
                amount_minor=5,
                payment_method_id=str(UUID(int=6)),
            ),
        ]

        assert parse_tenders(messages) == (
            TenderRequest(TenderKind.KITTY, 0, None),
            TenderRequest(TenderKind.CARD, 5, UUID(int=6)),
        )
