"""Customers, their cards, and the numbers of those."""

import json

import pytest

from tests.unit.simulator.sandbox.calling import Caller


@pytest.fixture
def caller() -> Caller:
    """Return somebody with the secret key, on an empty state."""
    return Caller()


class TestCustomersAndMethods:
    def test_a_setup_intent_keeps_the_card(self, caller: Caller) -> None:
        """The phone confirms with its secret; the card is then the customer's."""
        customer = caller.post("/customers", "metadata[customer]=1")["id"]
        setup = caller.post("/setup_intents", f"customer={customer}&usage=on_session")
        form = f"client_secret={setup['client_secret']}&payment_method=pm_card_mastercard"

        done = caller.as_phone("POST", f"/setup_intents/{setup['id']}/confirm", form)

        assert done["status"] == "succeeded"
        listed = caller.get("/payment_methods", f"customer={customer}&type=card")["data"]
        assert [method["id"] for method in listed] == [done["payment_method"]]
        assert (listed[0]["card"]["brand"], listed[0]["card"]["last4"]) == ("mastercard", "4444")

    def test_a_phone_needs_the_secret_and_can_do_no_more(self, caller: Caller) -> None:
        """The publishable key alone opens nothing."""
        setup = caller.post("/setup_intents")["id"]

        blind = caller.as_phone(
            "POST", f"/setup_intents/{setup}/confirm", "payment_method=pm_card_visa"
        )
        curious = caller.as_phone("GET", "/payment_intents", "")

        assert (blind.status, blind.error["param"]) == (400, "client_secret")
        assert (curious.status, curious.error["code"]) == (403, "secret_key_required")

    def test_a_card_that_refuses_to_be_kept(self, caller: Caller) -> None:
        """402, and the setup waits for another card."""
        setup = caller.post("/setup_intents")["id"]

        refused = caller.post(
            f"/setup_intents/{setup}/confirm", "payment_method=pm_card_setupDeclined"
        )

        assert (refused.status, refused.error["code"]) == (402, "card_declined")
        assert caller.get(f"/setup_intents/{setup}")["status"] == "requires_payment_method"

    def test_a_detached_card_is_gone_for_good(self, caller: Caller) -> None:
        """It is in no list, pays nothing and cannot be attached again."""
        customer = caller.post("/customers")["id"]
        setup = caller.post(
            "/setup_intents", f"customer={customer}&confirm=true&payment_method=pm_card_visa"
        )
        method = setup["payment_method"]

        detached = caller.post(f"/payment_methods/{method}/detach")

        assert detached["customer"] is None
        assert caller.get("/payment_methods", f"customer={customer}")["data"] == []
        assert caller.pay(method).status == 400
        assert (
            caller.post(f"/payment_methods/{method}/attach", f"customer={customer}").status == 400
        )
        assert caller.post(f"/payment_methods/{method}/detach").status == 400

    def test_one_card_has_one_fingerprint(self, caller: Caller) -> None:
        """The same number is recognized, another is not, and no number is in the answer."""
        form = "type=card&card[exp_month]=12&card[exp_year]=2030&card[cvc]=123&card[number]="
        numbers = ["4242424242424242", "4242 4242 4242 4242", "5555555555554444"]

        cards = [caller.post("/payment_methods", form + number)["card"] for number in numbers]

        assert cards[0]["fingerprint"] == cards[1]["fingerprint"] != cards[2]["fingerprint"]
        assert cards[0]["last4"] == "4242"


class TestCardNumbers:
    def test_of_a_real_card_are_refused_unseen(self, caller: Caller) -> None:
        """A number that is no test card's is somebody's: it goes nowhere."""
        form = "type=card&card[exp_month]=12&card[exp_year]=2030&card[number]=4111111111111111"

        refused = caller.post("/payment_methods", form, key="k")

        assert (refused.status, refused.error["decline_code"]) == (402, "test_mode_live_card")

    @pytest.mark.parametrize(
        "form",
        [
            "description=4242424242424242",
            "metadata[note]=4242 4242 4242 4242",
            "metadata[number]=4242424242424242",
            "number=4242424242424242",
        ],
    )
    def test_are_taken_in_their_own_field_only(self, caller: Caller, form: str) -> None:
        """Whatever else is given would be stored."""
        assert caller.post("/customers", form).status == 400

    def test_are_nowhere_in_the_state(self, caller: Caller) -> None:
        """Neither objects, events nor saved answers hold the number that was typed."""
        form = "type=card&card[exp_month]=12&card[exp_year]=2030&card[number]=4242424242424242"
        method = caller.post("/payment_methods", form, key="k")["id"]
        caller.pay(method, key="l")

        dump = "\n".join(caller.store._db.iterdump())

        assert "424242424242" not in dump
        saved = caller.store.saved_answer("k")
        assert saved is not None
        assert json.loads(saved.body)["card"]["last4"] == "4242"
        assert b"424242" not in saved.body
