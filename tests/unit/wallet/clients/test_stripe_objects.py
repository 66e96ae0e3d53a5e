"""Taking over what the provider tells: by its documentation, or not at all."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from services.wallet.clients.stripe_objects import Malformed, read_event, read_intent, read_list

PAYMENT_ID = UUID("01890a5d-ac96-774b-bcce-b302099a8001")


def _event(thing: dict[str, Any] | None, **changes: Any) -> dict[str, Any]:
    document = {
        "object": "event",
        "id": "evt_1",
        "type": "some.kind",
        "created": 1_700_000_000,
        "data": {"object": thing},
    }
    return document | changes


class TestReadEvent:
    @pytest.mark.parametrize(
        ("thing", "reference", "payment_id"),
        [
            (
                {
                    "object": "payment_intent",
                    "id": "pi_1",
                    "metadata": {"payment": str(PAYMENT_ID)},
                },
                "pi_1",
                PAYMENT_ID,
            ),
            ({"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}, "pi_1", None),
            ({"object": "refund", "id": "re_1", "payment_intent": "pi_1"}, "pi_1", None),
            ({"object": "payment_intent", "id": "pi_1", "metadata": {}}, "pi_1", None),
            (
                {"object": "payment_intent", "id": "pi_1", "metadata": {"payment": "order 7"}},
                "pi_1",
                None,
            ),
            ({"object": "charge", "id": "ch_1", "payment_intent": None}, "", None),
            ({"object": "charge", "id": "ch_1", "payment_intent": {"id": "pi_1"}}, "", None),
            ({"object": "customer", "id": "cus_1"}, "", None),
            ({"object": "payment_intent", "id": "p" * 256}, "", None),
            ({}, "", None),
            (None, "", None),
        ],
    )
    def test_names_the_payment_where_it_can(
        self, thing: dict[str, Any] | None, reference: str, payment_id: UUID | None
    ) -> None:
        """Whatever an event is about, it tells of our payment or of none."""
        event = read_event(_event(thing))

        assert (event.object_reference, event.payment_id) == (reference, payment_id)
        assert (event.provider_event_id, event.event_type) == ("evt_1", "some.kind")
        assert event.create_time == datetime.fromtimestamp(1_700_000_000, UTC)

    @pytest.mark.parametrize(
        "changes",
        [
            {"id": None},
            {"id": 7},
            {"id": ""},
            {"id": "evt_\n"},
            {"id": "é"},
            {"id": "e" * 256},
            {"type": None},
            {"created": None},
            {"created": -1},
            {"created": True},
            {"created": 10**15},
            {"created": "1700000000"},
        ],
    )
    def test_refuses_what_is_not_as_documented(self, changes: dict[str, Any]) -> None:
        """An id, a kind and a time are the least that an event has."""
        with pytest.raises(Malformed):
            read_event(_event({}, **changes))


class TestReadIntent:
    def test_tells_a_payment_that_only_burns_a_key(self) -> None:
        """The metadata says whose it is and what for."""
        item = {"id": "pi_1", "status": "canceled", "metadata": {"leg": "x", "burnt": "true"}}

        intent = read_intent(item)

        assert (intent.leg, intent.burnt, intent.error) == ("x", True, None)

    @pytest.mark.parametrize("item", [None, 7, "pi_1", {}, [], object()])
    def test_refuses_what_is_no_payment(self, item: object) -> None:
        """Whatever comes instead is malformed, and nothing else is raised."""
        with pytest.raises(Malformed):
            read_intent(item)


class TestReadList:
    @pytest.mark.parametrize("page", [None, {}, "x", object()])
    def test_refuses_what_is_no_list(self, page: object) -> None:
        """Nothing found must never mean that nothing was read."""
        with pytest.raises(Malformed):
            read_list(page)
