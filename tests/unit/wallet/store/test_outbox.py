"""Which facts leave the service."""

import pytest

from services.wallet.codec.event import render_event
from services.wallet.domain.event import Event
from services.wallet.store.outbox import PUBLIC_TYPES, is_public
from tests.unit.wallet.codec.facts import FACTS


class TestIsPublic:
    @pytest.mark.parametrize("event", FACTS, ids=lambda event: type(event).__name__)
    def test_says_what_the_relay_publishes(self, event: Event) -> None:
        """What wakes the relay and what it reads are the same kinds of facts."""
        event_type, _ = render_event(event)

        assert is_public(event) == (event_type in PUBLIC_TYPES)
