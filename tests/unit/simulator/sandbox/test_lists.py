"""What can be looked up at the provider: lists, totals, and what leads nowhere."""

import pytest

from tests.unit.simulator.sandbox.calling import Caller


@pytest.fixture
def caller() -> Caller:
    """Return somebody with the secret key, on an empty state."""
    return Caller()


class TestLists:
    def test_are_newest_first_and_turn_pages(self, caller: Caller) -> None:
        """Forwards to the oldest, backwards to the newest, with an end."""
        made = [caller.pay("pm_card_visa")["id"] for _ in range(5)][::-1]

        first = caller.get("/payment_intents", "limit=2")
        second = caller.get("/payment_intents", f"limit=2&starting_after={made[1]}")
        third = caller.get("/payment_intents", f"limit=2&starting_after={made[3]}")
        back = caller.get("/payment_intents", f"limit=2&ending_before={made[3]}")

        assert [intent["id"] for intent in first["data"]] == made[:2]
        assert [intent["id"] for intent in second["data"]] == made[2:4]
        assert [intent["id"] for intent in third["data"]] == made[4:]
        assert [intent["id"] for intent in back["data"]] == made[1:3]
        assert [first["has_more"], second["has_more"], third["has_more"]] == [True, True, False]

    def test_filter_by_customer_and_time(self, caller: Caller) -> None:
        """Only this customer's, only since then."""
        customer = caller.post("/customers")["id"]
        caller.pay("pm_card_visa")
        old = caller.pay("pm_card_visa", more=f"&customer={customer}")["id"]
        caller.now += 100
        new = caller.pay("pm_card_visa", more=f"&customer={customer}")["id"]

        both = caller.get("/payment_intents", f"customer={customer}")["data"]
        late = caller.get("/payment_intents", f"created[gte]={int(caller.now)}")["data"]
        early = caller.get(
            "/payment_intents", f"customer={customer}&created[lt]={int(caller.now)}"
        )["data"]
        never = caller.get("/payment_intents", f"created[gt]={int(caller.now)}")["data"]

        assert [intent["id"] for intent in both] == [new, old]
        assert [intent["id"] for intent in late] == [new]
        assert [intent["id"] for intent in early] == [old]
        assert never == []

    def test_of_events_tell_what_happened_in_order(self, caller: Caller) -> None:
        """Each change of a payment is an event with the object as it was then."""
        intent = caller.pay("pm_card_visa")["id"]
        caller.post(f"/payment_intents/{intent}/capture", key="k")

        events = caller.get(
            "/events", "types[]=payment_intent.succeeded&types[]=payment_intent.created"
        )
        everything = caller.get("/events", f"ending_before={events['data'][1]['id']}")["data"]

        assert [event["type"] for event in events["data"]] == [
            "payment_intent.succeeded",
            "payment_intent.created",
        ]
        assert [event["data"]["object"]["status"] for event in everything] == [
            "succeeded",
            "requires_capture",
        ]
        assert everything[0]["request"]["idempotency_key"] == "k"
        assert caller.get(f"/events/{everything[0]['id']}").body == everything[0]

    @pytest.mark.parametrize(
        "query",
        ["limit=0", "limit=101", "starting_after=pi_none", "colour=red", "expand[]=data.amount"],
    )
    def test_refuse_what_does_not_fit(self, caller: Caller, query: str) -> None:
        """Limits, positions, names and expansions are checked."""
        caller.pay("pm_card_visa")

        assert caller.get("/payment_intents", query).status == 400


class TestTotals:
    def test_add_up(self, caller: Caller) -> None:
        """Captured, refunded, canceled, open and failed amounts with their counts."""
        for amount in (400, 300):
            intent = caller.pay("pm_card_visa")["id"]
            caller.post(f"/payment_intents/{intent}/capture", f"amount_to_capture={amount}")
        caller.post("/refunds", f"payment_intent={intent}&amount=50")
        caller.post(f"/payment_intents/{caller.pay('pm_card_visa')['id']}/cancel")
        caller.pay("pm_card_visa")
        caller.pay("pm_card_chargeDeclined")

        assert caller.store.totals() == {
            "captured": {"count": 2, "minor": 700},
            "refunded": {"count": 1, "minor": 50},
            "canceled": {"count": 1, "minor": 1000},
            "open": {"count": 1, "minor": 1000},
            "failed": {"count": 1, "minor": 1000},
        }


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        ["/charges", "/payment_intents/pi_none", f"/payment_intents/{'x' * 300}/cancel", "/"],
    )
    def test_that_lead_nowhere(self, caller: Caller, path: str) -> None:
        """404 with an error that says what is missing."""
        assert caller.get(path).status == 404
