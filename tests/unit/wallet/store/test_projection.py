"""What the tables keep of a payment, state by state."""

from uuid import UUID

from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.event import (
    CheckoutRefunded,
    CheckoutSettled,
    Event,
    LegAnswered,
    RefundStarted,
)
from services.wallet.domain.leg import LegOperation, LegPhase
from services.wallet.store.projection import (
    KIND_CHECKOUT,
    KIND_TOP_UP,
    PaymentRow,
    ReferenceRow,
    payment_row,
    reference_row,
)
from tests.unit.wallet.codec.facts import (
    CHECKOUT,
    CHECKOUT_FACTS,
    CUSTOMER,
    FACTS,
    KEY,
    LEG,
    STAMP,
    TOP_UP,
    TOP_UP_FACTS,
)
from tests.unit.wallet.codec.test_checkout import folded


def row_after(*facts: Event) -> PaymentRow:
    """Give the row of the checkout after these facts."""
    return payment_row(folded(list(facts)).payments[CHECKOUT])


def fact_of(kind: type[Event]) -> Event:
    """Give the example of a kind of fact."""
    return next(fact for fact in FACTS if isinstance(fact, kind))


class TestCheckoutRow:
    def test_of_an_open_one(self) -> None:
        """Its ticket and its end are what it is looked for by."""
        row = row_after(CHECKOUT_FACTS[0])

        assert (row.kind, row.version, row.state) == (KIND_CHECKOUT, 1, CheckoutState.OPEN)
        assert (row.customer_id, row.in_flight) == (None, False)
        key = (row.store_id, row.business_date, row.till_id, row.sequence, row.ticket_kind)
        assert key == tuple(KEY)
        assert row.is_live

    def test_of_one_that_is_being_paid(self) -> None:
        """Somebody has to drive it on."""
        row = row_after(*CHECKOUT_FACTS[:4])

        assert (row.state, row.in_flight) == (CheckoutState.PROCESSING, True)
        assert row.customer_id == CUSTOMER

    def test_of_one_whose_outcome_is_unknown(self) -> None:
        """It is so now, and will have been."""
        unknown = LegAnswered(
            stamp=STAMP,
            payment_id=CHECKOUT,
            leg_id=LEG,
            operation=LegOperation.AUTHORIZE,
            phase=LegPhase.OUTCOME_UNKNOWN,
            decline=None,
            provider_reference="",
        )

        now = row_after(*CHECKOUT_FACTS[:4], unknown)
        later = row_after(*CHECKOUT_FACTS[:4], unknown, *CHECKOUT_FACTS[4:6])

        assert (now.outcome_unknown, now.ever_unknown) == (True, True)
        assert (later.outcome_unknown, later.ever_unknown) == (False, True)
        assert later.ever_declined

    def test_counts_what_the_card_was_charged_and_given_back(self) -> None:
        """Captured from the settlement on, refunded when it is given back."""
        paid = [*CHECKOUT_FACTS[:3], fact_of(CheckoutSettled)]
        refunded = [*paid, fact_of(RefundStarted), fact_of(CheckoutRefunded)]

        before = row_after(*CHECKOUT_FACTS[:3])
        assert (before.card_captured_minor, before.card_refunded_minor) == (0, 0)
        settled = row_after(*paid)
        assert (settled.card_captured_minor, settled.card_refunded_minor) == (500, 0)
        ended = row_after(*refunded)
        assert (ended.card_captured_minor, ended.card_refunded_minor) == (500, 500)


class TestTopUpRow:
    def test_has_no_ticket(self) -> None:
        """A top-up has money and no basket."""
        batch = folded(TOP_UP_FACTS[:2])

        row = payment_row(batch.payments[TOP_UP])

        assert (row.kind, row.card_captured_minor) == (KIND_TOP_UP, 500)
        assert (row.store_id, row.expire_time, row.is_live) == (None, None, False)


class TestReferenceRow:
    def test_of_an_answer_that_names_the_payment(self) -> None:
        """The provider's name leads back to the leg; other facts name nothing."""
        rows = [row for row in map(reference_row, FACTS) if row is not None]

        assert rows == [ReferenceRow("pi_1", CHECKOUT, UUID(int=4))]
