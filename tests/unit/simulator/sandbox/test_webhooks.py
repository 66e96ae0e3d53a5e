"""Which webhooks a card's payments have, and how they are signed."""

import pytest
import stripe

from services.simulator.sandbox.webhooks import pause_seconds, sign
from tests.unit.simulator.sandbox.calling import NOW, Caller


def planned(card: str) -> list[tuple[str, float, bool]]:
    """Return type, delay and bad signature of each webhook of a captured payment."""
    caller = Caller(announces=True)
    intent = caller.pay(card)["id"]
    caller.post(f"/payment_intents/{intent}/capture")
    rows = caller.store._db.execute(
        "SELECT e.type, d.due, d.badly_signed FROM delivery AS d JOIN event AS e ON e.seq = d.event_seq "
        "ORDER BY d.due, d.seq"
    )
    return [(row[0].removeprefix("payment_intent."), row[1] - NOW, bool(row[2])) for row in rows]


class TestPlan:
    @pytest.mark.parametrize(
        ("card", "expected"),
        [
            ("visa", [("amount_capturable_updated", 0, False), ("succeeded", 0, False)]),
            (
                "webhookTwice",
                [("amount_capturable_updated", 0, False)] * 2 + [("succeeded", 0, False)] * 2,
            ),
            (
                "webhookReordered",
                [("succeeded", 0, False), ("amount_capturable_updated", 5, False)],
            ),
            ("webhookLate", [("amount_capturable_updated", 5, False), ("succeeded", 5, False)]),
            ("webhookMissing", []),
            (
                "webhookBadlySigned",
                [
                    ("amount_capturable_updated", 0, True),
                    ("amount_capturable_updated", 0, False),
                    ("succeeded", 0, True),
                    ("succeeded", 0, False),
                ],
            ),
        ],
    )
    def test_is_the_cards(self, card: str, expected: list[tuple[str, float, bool]]) -> None:
        """Prompt, twice, out of order, late, never, or with a forged copy first."""
        assert planned(f"pm_card_{card}") == expected

    def test_is_empty_when_nobody_listens(self) -> None:
        """Without a URL nothing piles up; the events are listed all the same."""
        caller = Caller(announces=False)
        caller.pay("pm_card_visa")

        assert caller.store.next_delivery() is None
        assert len(caller.get("/events")["data"]) == 2


class TestSign:
    def test_is_believed_by_stripes_own_library(self) -> None:
        """The signature is the one that the official client verifies."""
        payload = '{"id": "evt_1", "object": "event"}'

        header = sign(payload, secret="whsec_x", now=int(NOW))

        assert stripe.WebhookSignature.verify_header(payload, header, "whsec_x")
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.WebhookSignature.verify_header(payload, header, "whsec_y")


class TestPause:
    def test_doubles_up_to_a_minute(self) -> None:
        """A listener that is away is not hammered."""
        assert [pause_seconds(attempts) for attempts in (0, 1, 2, 10)] == [0.5, 1.0, 2.0, 60.0]
