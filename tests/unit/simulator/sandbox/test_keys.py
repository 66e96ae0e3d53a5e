"""Idempotency keys, by Stripe's rules, and the faults that they meet."""

import pytest

from services.simulator.sandbox.cards import Fault
from tests.unit.simulator.sandbox.calling import AUTHORIZE, NOW, Caller

PAY = f"{AUTHORIZE}&payment_method="
INTENTS = "/payment_intents"


@pytest.fixture
def caller() -> Caller:
    """Return somebody with the secret key, on an empty state."""
    return Caller()


def count(caller: Caller) -> int:
    """Return how many payments there are."""
    return len(caller.get(INTENTS)["data"])


class TestKeys:
    def test_give_the_first_answer_again(self, caller: Caller) -> None:
        """The same request under the same key is done once, whatever has happened since."""
        first = caller.pay("pm_card_visa", key="k")
        caller.post(f"{INTENTS}/{first['id']}/capture")

        again = caller.pay("pm_card_visa", key="k")

        assert again.body == first.body
        assert (first.replayed, again.replayed) == (False, True)
        assert count(caller) == 1

    def test_keep_declines(self, caller: Caller) -> None:
        """A decline is the answer for good."""
        first = caller.pay("pm_card_chargeDeclined", key="k")

        assert caller.pay("pm_card_chargeDeclined", key="k").body == first.body
        assert count(caller) == 1

    def test_keep_refusals_of_the_state(self, caller: Caller) -> None:
        """A capture that was refused stays refused under its key."""
        intent = caller.pay("pm_card_visa")["id"]
        path = f"{INTENTS}/{intent}/capture"
        over = caller.post(path, "amount_to_capture=2000", key="k")

        assert caller.post(path, "amount_to_capture=2000", key="k").body == over.body
        assert (
            caller.post(path, "amount_to_capture=1000", key="k").error["type"]
            == "idempotency_error"
        )

    def test_refuse_another_request(self, caller: Caller) -> None:
        """Other parameters under a used key are an error, and nothing is done."""
        caller.pay("pm_card_visa", key="k")

        refused = caller.pay("pm_card_mastercard", key="k")

        assert (refused.status, refused.error["type"]) == (400, "idempotency_error")
        assert count(caller) == 1

    def test_refuse_another_endpoint(self, caller: Caller) -> None:
        """One key cannot serve for creation and capture."""
        intent = caller.pay("pm_card_visa", key="k")["id"]

        refused = caller.post(f"{INTENTS}/{intent}/capture", key="k")

        assert (refused.status, refused.error["type"]) == (400, "idempotency_error")

    @pytest.mark.parametrize(
        "form", ["amount=x&currency=eur", "amount=500&currency=eur&customer=cus_no"]
    )
    def test_do_not_keep_what_was_never_begun(self, caller: Caller, form: str) -> None:
        """After a validation failure the key is as good as new."""
        assert caller.post(INTENTS, form, key="k").status == 400

        assert caller.post(INTENTS, "amount=500&currency=eur", key="k").status == 200

    def test_of_reads_mean_nothing(self, caller: Caller) -> None:
        """Only what changes something has a key."""
        caller.pay("pm_card_visa")

        assert count(caller) == 1

    def test_are_forgotten_after_two_days(self, caller: Caller) -> None:
        """Not for ever, but for longer than a day."""
        caller.pay("pm_card_visa", key="k")
        day = 24 * 3600

        caller.provider.forget_old_keys(caller.store, now=NOW + day)
        kept = caller.store.saved_answer("k")
        caller.provider.forget_old_keys(caller.store, now=NOW + 3 * day)

        assert kept is not None
        assert caller.store.saved_answer("k") is None


class TestFaultsAfterTheWork:
    @pytest.mark.parametrize("fault", [Fault.HANG, Fault.DROP_AFTER_COMMIT])
    def test_lose_the_answer_only(self, caller: Caller, fault: Fault) -> None:
        """The payment is there, and its key gives the answer that was lost."""
        lost = caller.pay(f"pm_card_{fault}", key="k")

        assert lost.fault is fault
        assert count(caller) == 1
        again = caller.pay(f"pm_card_{fault}", key="k")
        assert (again.status, again.fault, again.replayed) == (200, None, True)
        assert again["status"] == "requires_capture"

    def test_of_a_500_keep_the_500(self, caller: Caller) -> None:
        """The key knows no better than the first caller did: only a look finds the payment."""
        first = caller.pay("pm_card_error500AfterCommit", key="k")
        again = caller.pay("pm_card_error500AfterCommit", key="k")

        assert (first.status, again.status) == (500, 500)
        assert again.replayed
        assert caller.get(INTENTS)["data"][0]["status"] == "requires_capture"


class TestFaultsBeforeTheWork:
    @pytest.mark.parametrize("fault", [Fault.HANG_BEFORE_COMMIT, Fault.DROP_BEFORE_COMMIT])
    def test_do_nothing_and_keep_nothing(self, caller: Caller, fault: Fault) -> None:
        """The request was never there: the second try with its key does the work."""
        lost = caller.pay(f"pm_card_{fault}", key="k")

        assert lost.fault is fault
        assert count(caller) == 0
        again = caller.pay(f"pm_card_{fault}", key="k")
        assert (again.status, again.replayed) == (200, False)
        assert again["status"] == "requires_capture"

    def test_of_too_many_requests_keep_nothing(self, caller: Caller) -> None:
        """429: nothing was begun."""
        refused = caller.pay("pm_card_tooManyRequests", key="k")

        assert (refused.status, refused.error["code"]) == (429, "rate_limit")
        assert caller.pay("pm_card_tooManyRequests", key="k").status == 200

    def test_of_a_500_keep_the_500_and_do_nothing(self, caller: Caller) -> None:
        """The key is dead, and no payment was ever made under it."""
        first = caller.pay("pm_card_error500BeforeCommit", key="k", more="&metadata[leg]=1")
        again = caller.pay("pm_card_error500BeforeCommit", key="k", more="&metadata[leg]=1")

        assert (first.status, again.status, again.replayed) == (500, 500, True)
        assert count(caller) == 0
        other_key = caller.pay("pm_card_error500BeforeCommit", key="l", more="&metadata[leg]=1")
        assert other_key.status == 200

    @pytest.mark.parametrize("fault", [Fault.SLOW, Fault.LATE])
    def test_that_take_long_hold_their_key(self, caller: Caller, fault: Fault) -> None:
        """Until the work is done the key is in use, also for other requests; then it has its answer."""
        form = f"{PAY}pm_card_{fault}"
        held_back = caller.post(INTENTS, form, key="k")

        meanwhile = caller.post(INTENTS, form, key="k")
        burn = caller.post(INTENTS, "amount=100&currency=eur", key="k")
        done = caller.later(INTENTS, form, key="k")
        afterwards = caller.post(INTENTS, form, key="k")

        assert held_back.fault is fault
        assert (meanwhile.status, meanwhile.error["code"]) == (409, "idempotency_key_in_use")
        assert burn.status == 409
        assert (done.status, done["status"]) == (200, "requires_capture")
        assert (afterwards.body, afterwards.replayed) == (done.body, True)
        assert count(caller) == 1


class TestFaults:
    @pytest.mark.parametrize("key", ["k", None])
    def test_strike_a_payment_once(self, caller: Caller, key: str | None) -> None:
        """Whoever tries the same payment again, under whatever key, gets through."""
        more = "&metadata[leg]=1"

        first = caller.pay("pm_card_dropBeforeCommit", key=key, more=more)
        second = caller.pay("pm_card_dropBeforeCommit", key="other", more=more)
        another = caller.pay("pm_card_dropBeforeCommit", key="third", more="&metadata[leg]=2")

        assert first.fault is Fault.DROP_BEFORE_COMMIT
        assert (second.fault, second.status) == (None, 200)
        assert another.fault is Fault.DROP_BEFORE_COMMIT

    def test_strike_at_their_own_stage(self, caller: Caller) -> None:
        """A card that hangs at the capture reserves and refunds like any other."""
        intent = caller.pay("pm_card_captureHang")
        capture = caller.post(f"{INTENTS}/{intent['id']}/capture", key="k")

        assert intent.fault is None
        assert capture.fault is Fault.HANG
        assert caller.get(f"{INTENTS}/{intent['id']}")["status"] == "succeeded"
        assert caller.post("/refunds", f"payment_intent={intent['id']}").fault is None

    @pytest.mark.parametrize(
        ("card", "path"),
        [
            ("pm_card_cancelDropBeforeCommit", "cancel"),
            ("pm_card_captureDropBeforeCommit", "capture"),
        ],
    )
    def test_before_the_work_leave_the_payment_as_it_was(
        self, caller: Caller, card: str, path: str
    ) -> None:
        """Still reserved; the same call again does it."""
        intent = caller.pay(card)["id"]

        assert caller.post(f"{INTENTS}/{intent}/{path}", key="k").fault is Fault.DROP_BEFORE_COMMIT
        assert caller.get(f"{INTENTS}/{intent}")["status"] == "requires_capture"
        assert caller.post(f"{INTENTS}/{intent}/{path}", key="k").status == 200

    def test_at_the_refund_pay_back_once(self, caller: Caller) -> None:
        """A refund whose answer was a 500 is in the list, and a repetition adds none."""
        intent = caller.pay("pm_card_refundError500AfterCommit")["id"]
        caller.post(f"{INTENTS}/{intent}/capture")
        form = f"payment_intent={intent}&metadata[leg]=1"

        assert caller.post("/refunds", form, key="k").status == 500
        assert caller.post("/refunds", form, key="k").status == 500
        listed = caller.get("/refunds", f"payment_intent={intent}")["data"]
        assert [(refund["amount"], refund["metadata"]) for refund in listed] == [
            (1000, {"leg": "1"})
        ]
