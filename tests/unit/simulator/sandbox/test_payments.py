"""Payments at the provider, from the authorization to the refund."""

import pytest

from tests.unit.simulator.sandbox.calling import Caller


@pytest.fixture
def caller() -> Caller:
    """Return somebody with the secret key, on an empty state."""
    return Caller()


class TestAuthorize:
    def test_reserves_the_amount(self, caller: Caller) -> None:
        """With manual capture the money is only reserved, on a charge of its own."""
        intent = caller.pay("pm_card_visa", more="&expand[]=latest_charge&metadata[leg]=1")

        assert intent["status"] == "requires_capture"
        assert (intent["amount_capturable"], intent["amount_received"]) == (1000, 0)
        assert intent["metadata"] == {"leg": "1"}
        assert (intent["latest_charge"]["amount"], intent["latest_charge"]["captured"]) == (
            1000,
            False,
        )

    def test_takes_the_amount_when_nothing_else_is_said(self, caller: Caller) -> None:
        """Automatic capture is the default."""
        form = "amount=500&currency=EUR&confirm=true&payment_method=pm_card_visa"

        intent = caller.post("/payment_intents", form)

        assert (intent["status"], intent["amount_received"]) == ("succeeded", 500)

    def test_a_decline_is_an_error_that_persists(self, caller: Caller) -> None:
        """402 with the bank's code; the payment is there and waits for another method."""
        refused = caller.pay("pm_card_chargeDeclinedInsufficientFunds")

        assert refused.status == 402
        assert refused.error["code"] == "card_declined"
        assert refused.error["decline_code"] == "insufficient_funds"
        intent = caller.get(f"/payment_intents/{refused.error['payment_intent']['id']}")
        assert intent["status"] == "requires_payment_method"
        assert intent["last_payment_error"]["decline_code"] == "insufficient_funds"

    def test_a_declined_payment_can_be_confirmed_with_another_card(self, caller: Caller) -> None:
        """The bank is asked again."""
        declined = caller.pay("pm_card_chargeDeclined").error["payment_intent"]["id"]

        again = caller.post(
            f"/payment_intents/{declined}/confirm", "payment_method=pm_card_mastercard"
        )

        assert again["status"] == "requires_capture"

    @pytest.mark.parametrize("said", ["error_on_requires_action=true", "off_session=true"])
    def test_declines_what_would_need_the_shopper(self, caller: Caller, said: str) -> None:
        """Nobody is there to authenticate: declined rather than left open."""
        form = f"amount=100&currency=eur&confirm=true&payment_method=pm_card_authenticationRequired&{said}"

        refused = caller.post("/payment_intents", form)

        assert (refused.status, refused.error["code"]) == (402, "authentication_required")

    def test_waits_for_the_shopper_otherwise(self, caller: Caller) -> None:
        """A shopper who is there is asked."""
        form = "amount=100&currency=eur&confirm=true&payment_method=pm_card_authenticationRequired"

        assert caller.post("/payment_intents", form)["status"] == "requires_action"

    @pytest.mark.parametrize(
        ("amount", "code"), [(49, "amount_too_small"), (100_000_000, "amount_too_large")]
    )
    def test_refuses_what_no_card_can_pay(self, caller: Caller, amount: int, code: str) -> None:
        """Below 0.50 and above 999,999.99 nothing is made, whether it is to be confirmed or not."""
        for more in ("", "&confirm=true&payment_method=pm_card_visa"):
            refused = caller.post("/payment_intents", f"amount={amount}&currency=eur{more}")

            assert (refused.status, refused.error["type"]) == (400, "invalid_request_error")
            assert (refused.error["code"], refused.error["param"]) == (code, "amount")
        assert caller.get("/payment_intents")["data"] == []

    @pytest.mark.parametrize("amount", [50, 99_999_999])
    def test_takes_what_a_card_can_just_pay(self, caller: Caller, amount: int) -> None:
        """The bounds themselves are paid."""
        form = f"amount={amount}&currency=eur&confirm=true&payment_method=pm_card_visa"

        assert caller.post("/payment_intents", form)["amount_received"] == amount

    @pytest.mark.parametrize(
        ("form", "param"),
        [
            ("currency=eur", "amount"),
            ("amount=0&currency=eur", "amount"),
            ("amount=-5&currency=eur", "amount"),
            ("amount=1.5&currency=eur", "amount"),
            ("amount=500", "currency"),
            ("amount=500&currency=euro", "currency"),
            ("amount=500&currency=eur&customer=cus_none", "customer"),
            ("amount=500&currency=eur&payment_method=pm_none", "payment_method"),
            ("amount=500&currency=eur&off_session=true", "off_session"),
            ("amount=500&currency=eur&confirm=true", "payment_method"),
            ("amount=500&currency=eur&capture_method=sometimes", "capture_method"),
            ("amount=500&currency=eur&colour=red", "colour"),
        ],
    )
    def test_refuses_what_does_not_fit(self, caller: Caller, form: str, param: str) -> None:
        """A bad request is told by its parameter, and leaves nothing behind."""
        refused = caller.post("/payment_intents", form, key="k")

        assert (refused.status, refused.error["type"]) == (400, "invalid_request_error")
        assert refused.error["param"] == param
        assert caller.get("/payment_intents")["data"] == []

    def test_refuses_another_customers_card(self, caller: Caller) -> None:
        """A payment method belongs to its customer."""
        owner, other = caller.post("/customers")["id"], caller.post("/customers")["id"]
        method = caller.post("/payment_methods", "type=card&card[token]=tok_visa")["id"]
        caller.post(f"/payment_methods/{method}/attach", f"customer={owner}")

        refused = caller.pay(method, more=f"&customer={other}")

        assert (refused.status, refused.error["param"]) == (400, "payment_method")
        assert caller.pay(method, more=f"&customer={owner}").status == 200


class TestCapture:
    def test_takes_part_and_frees_the_rest(self, caller: Caller) -> None:
        """Less than what is reserved may be taken, once."""
        intent = caller.pay("pm_card_visa")["id"]

        taken = caller.post(f"/payment_intents/{intent}/capture", "amount_to_capture=400")

        assert (taken["status"], taken["amount_received"]) == ("succeeded", 400)
        assert taken["amount_capturable"] == 0

    def test_never_takes_more_than_is_reserved(self, caller: Caller) -> None:
        """A cent too much is refused, and the reserved amount stays."""
        intent = caller.pay("pm_card_visa")["id"]

        refused = caller.post(f"/payment_intents/{intent}/capture", "amount_to_capture=1001")

        assert (refused.status, refused.error["code"]) == (400, "amount_too_large")
        assert caller.get(f"/payment_intents/{intent}")["status"] == "requires_capture"

    def test_happens_once(self, caller: Caller) -> None:
        """A second capture has a message of its own."""
        intent = caller.pay("pm_card_visa")["id"]
        caller.post(f"/payment_intents/{intent}/capture")

        again = caller.post(f"/payment_intents/{intent}/capture")

        assert again.error["code"] == "payment_intent_unexpected_state"
        assert "already been captured" in again.error["message"]
        assert again.error["payment_intent"]["status"] == "succeeded"

    def test_after_a_cancel_is_refused(self, caller: Caller) -> None:
        """What has been freed cannot be taken."""
        intent = caller.pay("pm_card_visa")["id"]
        caller.post(f"/payment_intents/{intent}/cancel")

        refused = caller.post(f"/payment_intents/{intent}/capture")

        assert refused.error["code"] == "payment_intent_unexpected_state"
        assert refused.error["payment_intent"]["status"] == "canceled"

    def test_that_comes_too_late_finds_the_payment_canceled(self, caller: Caller) -> None:
        """The bank has given the amount free: the refusal is final, and the payment says so."""
        intent = caller.pay("pm_card_captureExpired")["id"]

        refused = caller.post(f"/payment_intents/{intent}/capture", key="k")

        assert (refused.status, refused.error["payment_intent"]["status"]) == (400, "canceled")
        canceled = caller.get(f"/payment_intents/{intent}")
        assert (canceled["status"], canceled["cancellation_reason"]) == ("canceled", "automatic")


class TestCancel:
    def test_frees_what_is_reserved(self, caller: Caller) -> None:
        """Nothing stays reserved, and nothing can be taken."""
        intent = caller.pay("pm_card_visa")["id"]

        canceled = caller.post(f"/payment_intents/{intent}/cancel")

        assert (canceled["status"], canceled["amount_capturable"]) == ("canceled", 0)

    def test_of_a_payment_without_a_card_is_allowed(self, caller: Caller) -> None:
        """An intent that was only announced can be given up."""
        intent = caller.post("/payment_intents", "amount=500&currency=eur")["id"]

        assert caller.post(f"/payment_intents/{intent}/cancel")["status"] == "canceled"

    def test_after_the_capture_is_refused(self, caller: Caller) -> None:
        """Taken money goes back by a refund only."""
        intent = caller.pay("pm_card_visa")["id"]
        caller.post(f"/payment_intents/{intent}/capture")

        refused = caller.post(f"/payment_intents/{intent}/cancel")

        assert (refused.status, refused.error["code"]) == (400, "payment_intent_unexpected_state")


class TestRefund:
    def test_gives_back_in_parts_up_to_what_was_taken(self, caller: Caller) -> None:
        """Parts, then the rest; a cent more is refused."""
        intent = caller.pay("pm_card_visa")["id"]
        caller.post(f"/payment_intents/{intent}/capture", "amount_to_capture=700")

        first = caller.post("/refunds", f"payment_intent={intent}&amount=300&metadata[leg]=1")
        over = caller.post("/refunds", f"payment_intent={intent}&amount=401")
        rest = caller.post("/refunds", f"payment_intent={intent}")
        none_left = caller.post("/refunds", f"payment_intent={intent}")

        assert (first["status"], first["metadata"]) == ("succeeded", {"leg": "1"})
        assert (over.status, over.error["param"]) == (400, "amount")
        assert rest["amount"] == 400
        assert none_left.error["code"] == "charge_already_refunded"
        listed = caller.get("/refunds", f"payment_intent={intent}")["data"]
        assert [refund["amount"] for refund in listed] == [400, 300]

    def test_of_money_that_was_never_taken_is_refused(self, caller: Caller) -> None:
        """A reserved amount is freed by a cancel."""
        intent = caller.pay("pm_card_visa")["id"]

        assert caller.post("/refunds", f"payment_intent={intent}").status == 400
