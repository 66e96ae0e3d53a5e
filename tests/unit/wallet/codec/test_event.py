"""Facts as bytes: what was written once must be read, and written, the same for ever."""

from dataclasses import replace
from hashlib import sha256

import pytest

from cagnotte.wallet.v1 import events_pb2
from services.common.runtime.facts import FactUnreadable
from services.wallet.codec.event import MESSAGES, render_event
from services.wallet.codec.journal import parse_event
from services.wallet.domain.event import Event, PaymentStarted
from tests.unit.wallet.codec.facts import FACTS

# The first bytes of SHA-256 of each fact. A change here is a break with every journal that
# exists: add fields, never change what is there.
GOLDEN = {
    "CheckoutOpened": "52ae62b08ba18b34",
    "CheckoutClaimed": "98e8d7699d4cbcc0",
    "PaymentStarted": "3219032858602ef3",
    "LegSent": "c2d4ad408dfd3f10",
    "LegAnswered": "b223a92527ecff8f",
    "PaymentFailed": "8e58829c8505b82f",
    "CancellationRequested": "7460ef54309a0119",
    "RefundStarted": "5dc445569c5ed845",
    "CheckoutSettled": "bdd73ff554febff8",
    "CheckoutCancelled": "6cad5d764970fd99",
    "CheckoutRefunded": "1d21168be4b5144e",
    "TopUpStarted": "c68b548d6e3d3fe5",
    "TopUpSettled": "4fa81c2f9b4654f8",
    "TopUpFailed": "49f8db0e98000c46",
    "ShopperRegistered": "8261beee96c5f4be",
    "PaymentMethodEnrolled": "4c37ed37dd87da73",
    "PaymentMethodDefaulted": "08eb6a7462ecb748",
    "PaymentMethodDetached": "08eb6a7462ecb748",
}


def name_of(value: object) -> str:
    """Name a test by its fact."""
    return type(value).__name__


class TestFacts:
    @pytest.mark.parametrize("fact", FACTS, ids=name_of)
    def test_golden_bytes(self, fact: Event) -> None:
        """The bytes of a fact are those that were written down once."""
        _, payload = render_event(fact)

        assert sha256(payload).hexdigest()[:16] == GOLDEN[name_of(fact)]

    @pytest.mark.parametrize("fact", FACTS, ids=name_of)
    def test_is_read_as_it_was_written(self, fact: Event) -> None:
        """Reading a fact's bytes gives the fact again."""
        assert parse_event(*render_event(fact)) == fact

    def test_an_attempt_says_until_when_it_is_tried(self) -> None:
        """Facts that were written before attempts said so are read as such; those that say it keep it."""
        older = next(fact for fact in FACTS if isinstance(fact, PaymentStarted))
        newer = replace(older, give_up_time=older.stamp.occur_time)

        assert older.give_up_time is None
        assert parse_event(*render_event(newer)) == newer
        assert sha256(render_event(newer)[1]).hexdigest()[:16] == "25e9adef2e4ea0c8"

    def test_every_type_has_a_message_and_an_example(self) -> None:
        """A type that the proto lists is written and read, and stands here."""
        types = set(events_pb2.EventType.values()) - {events_pb2.EVENT_TYPE_UNSPECIFIED}

        assert set(MESSAGES) == types
        assert {render_event(fact)[0] for fact in FACTS} == types

    def test_metadata_is_the_first_field_of_every_fact(self) -> None:
        """Whoever relays a fact finds its metadata without knowing its type."""
        for message in MESSAGES.values():
            assert message.DESCRIPTOR.fields_by_number[1].name == "metadata"


class TestUnreadable:
    def test_an_unknown_type_is_said_to_be_one(self) -> None:
        """A journal that something else wrote is not guessed at."""
        with pytest.raises(FactUnreadable):
            parse_event(99, b"")

    def test_bytes_of_another_fact_are_said_to_be_so(self) -> None:
        """Bytes that lack what their type needs are refused."""
        with pytest.raises(FactUnreadable):
            parse_event(events_pb2.EVENT_TYPE_LEG_SENT, b"\xff")
