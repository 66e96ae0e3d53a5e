"""The bytes of published facts: consumers keep them, so they never change for an old fact."""

from google.protobuf import json_format

from cagnotte.wallet.v1 import events_pb2
from services.wallet.codec.event import MESSAGES, render_event
from services.wallet.domain.event import (
    CheckoutCancelled,
    CheckoutRefunded,
    CheckoutSettled,
    TopUpSettled,
)
from services.wallet.store.outbox import PUBLIC_TYPES
from tests.unit.wallet.codec.facts import FACTS, TICKET

PUBLIC = (CheckoutSettled, CheckoutCancelled, CheckoutRefunded, TopUpSettled)
GOLDEN = {
    "CheckoutSettled": (
        "0a730a2430303030303030302d303030302d303030302d303030302d303030303030303030303031120a08c0"
        "eab8c3051090a10f1a0608c4f1b8c305223730302d3462663932663335373762333464613661336365393239"
        "6430653065343733362d303066303637616130626139303262372d3031122430303030303030302d30303030"
        "2d303030302d303030302d3030303030303030303030321a2430303030303030302d303030302d303030302d"
        "303030302d303030303030303030303033227e0a1a0a0430333330120a323031372d30312d30351a02303720"
        "0c28012801322430303030303030302d303030302d303030302d303030302d3030303030303030303030323a"
        "0345555242110801220747524f4345525938b00948a6044210080222044452554738a006406448d00f4a0408"
        "0510644a05080a10ec0e50d00f2a0608a60410b0092a0608d00f10a00632310a2430303030303030302d3030"
        "30302d303030302d303030302d303030303030303030303034100218f80a2a0470695f31320410051864322e"
        "0a2430303030303030302d303030302d303030302d303030302d303030303030303030303037100818f40320"
        "f403"
    ),
    "CheckoutCancelled": (
        "0a730a2430303030303030302d303030302d303030302d303030302d303030303030303030303031120a08c0"
        "eab8c3051090a10f1a0608c4f1b8c305223730302d3462663932663335373762333464613661336365393239"
        "6430653065343733362d303066303637616130626139303262372d3031122430303030303030302d30303030"
        "2d303030302d303030302d3030303030303030303030322002"
    ),
    "CheckoutRefunded": (
        "0a730a2430303030303030302d303030302d303030302d303030302d303030303030303030303031120a08c0"
        "eab8c3051090a10f1a0608c4f1b8c305223730302d3462663932663335373762333464613661336365393239"
        "6430653065343733362d303066303637616130626139303262372d3031122430303030303030302d30303030"
        "2d303030302d303030302d3030303030303030303030321a2430303030303030302d303030302d303030302d"
        "303030302d303030303030303030303039222430303030303030302d303030302d303030302d303030302d30"
        "30303030303030303030332a1a0a0430333330120a323031372d30312d30351a023037200c28013203455552"
        "3a0608a60410b0093a0608d00f10a00642310a2430303030303030302d303030302d303030302d303030302d"
        "303030303030303030303034100218f80a2a0472655f31420410051864422e0a2430303030303030302d3030"
        "30302d303030302d303030302d303030303030303030303037100818f40320f403"
    ),
    "TopUpSettled": (
        "0a730a2430303030303030302d303030302d303030302d303030302d303030303030303030303031120a08c0"
        "eab8c3051090a10f1a0608c4f1b8c305223730302d3462663932663335373762333464613661336365393239"
        "6430653065343733362d303066303637616130626139303262372d3031122430303030303030302d30303030"
        "2d303030302d303030302d3030303030303030303030351a2430303030303030302d303030302d303030302d"
        "303030302d30303030303030303030303320f4032a03455552320470695f31"
    ),
}


class TestPublicFacts:
    def test_golden_bytes(self) -> None:
        """The four facts that leave the service, written down once."""
        written = {
            type(fact).__name__: render_event(fact)[1].hex()
            for fact in FACTS
            if isinstance(fact, PUBLIC)
        }

        assert written == GOLDEN

    def test_are_the_four_of_the_design(self) -> None:
        """Nothing else is published, and nothing of these is kept back."""
        names = {MESSAGES[event_type].DESCRIPTOR.full_name for event_type in PUBLIC_TYPES}

        assert names == {f"cagnotte.wallet.v1.{kind.__name__}" for kind in PUBLIC}

    def test_a_settlement_carries_the_ticket_as_the_till_sent_it(self) -> None:
        """Sending it to points again is recognized by its content."""
        payload = bytes.fromhex(GOLDEN["CheckoutSettled"])

        settled = events_pb2.CheckoutSettled.FromString(payload)

        assert settled.ticket == TICKET
        assert sum(sales.sales_minor for sales in settled.sales_by_vat_rate) == 2_000
        assert sum(tender.amount_minor for tender in settled.tenders) == 2_000

    def test_hold_no_personal_data_and_no_token(self) -> None:
        """Ids, amounts and the provider's name of the payment: nothing that names a person or a card."""
        for name, payload in GOLDEN.items():
            message = getattr(events_pb2, name).FromString(bytes.fromhex(payload))
            text = json_format.MessageToJson(message)

            assert "cus_" not in text
            assert "pm_" not in text
