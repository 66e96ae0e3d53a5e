"""Whatever is asked of the provider, in whatever order, its money adds up."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.simulator.sandbox.calling import Caller

CARDS = (
    *("pm_card_visa", "pm_card_chargeDeclined", "pm_card_hang", "pm_card_dropBeforeCommit"),
    *("pm_card_captureError500AfterCommit", "pm_card_captureDropBeforeCommit"),
    *("pm_card_captureExpired", "pm_card_cancelHang", "pm_card_refundDropAfterCommit"),
    "pm_card_refundError500BeforeCommit",
)
AMOUNTS = st.integers(min_value=1, max_value=1200)
REQUESTS = st.one_of(
    st.tuples(st.just("pay"), st.sampled_from(CARDS)),
    st.tuples(st.just("capture"), AMOUNTS),
    st.tuples(st.just("cancel"), st.none()),
    st.tuples(st.just("refund"), AMOUNTS),
)


class TestMoney:
    @given(st.lists(st.tuples(REQUESTS, st.integers(0, 3), st.integers(0, 2)), max_size=25))
    def test_is_conserved(
        self, requests: list[tuple[tuple[str, str | int | None], int, int]]
    ) -> None:
        """Never more taken than reserved, never more given back than taken, one answer a key."""
        caller = Caller()
        for (kind, detail), which, key in requests:
            intents = caller.get("/payment_intents", "limit=100")["data"]
            if kind == "pay":
                caller.pay(str(detail), key=f"{detail}{key}")
                continue
            if not intents:
                continue
            intent = intents[which % len(intents)]["id"]
            if kind == "refund":
                form = f"payment_intent={intent}&amount={detail}"
                caller.post("/refunds", form, key=f"{intent}{kind}{key}")
            else:
                form = f"amount_to_capture={detail}" if kind == "capture" else ""
                caller.post(f"/payment_intents/{intent}/{kind}", form, key=f"{intent}{kind}{key}")

        _check(caller)


def _check(caller: Caller) -> None:
    intents = caller.get("/payment_intents", "limit=100&expand[]=data.latest_charge")["data"]
    for intent in intents:
        received, capturable = intent["amount_received"], intent["amount_capturable"]
        assert 0 <= received <= intent["amount"]
        assert (received > 0) == (intent["status"] == "succeeded")
        assert (capturable > 0) == (intent["status"] == "requires_capture")
        charge = intent["latest_charge"]
        refunds = caller.get("/refunds", f"limit=100&payment_intent={intent['id']}")["data"]
        given_back = sum(refund["amount"] for refund in refunds)
        assert given_back <= received
        if charge is not None:
            assert charge["amount_refunded"] == given_back
            assert charge["amount_captured"] == received
    totals = caller.store.totals()
    assert totals["captured"]["minor"] == sum(intent["amount_received"] for intent in intents)
    assert totals["open"]["minor"] == sum(intent["amount_capturable"] for intent in intents)
