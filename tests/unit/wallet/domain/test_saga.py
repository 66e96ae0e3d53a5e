"""The saga: what follows by itself from each answer, so that nothing is charged or held without a reason."""

from dataclasses import replace
from datetime import timedelta

from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.event import (
    CancelCause,
    CheckoutCancelled,
    CheckoutRefunded,
    CheckoutSettled,
    LegAnswered,
    LegSent,
    PaymentFailed,
    PaymentStarted,
    SettledTender,
    TopUpFailed,
    TopUpSettled,
)
from services.wallet.domain.leg import NOT_SENT_DECLINE, Decline
from services.wallet.domain.saga import HOLD_EXPIRED, HOLD_TOO_LATE, WANTED_MAX
from services.wallet.domain.tender import TenderKind, TicketTender
from services.wallet.domain.top_up import TopUp, TopUpState
from tests.properties.wallet.world import HOLD_FOR, SETTLE_FOR, START, World, paying, tender
from tests.unit.wallet.domain.till import (
    AUTHORIZE,
    CAPTURE,
    CARDS,
    CHECKOUT,
    DECLINED,
    DONE,
    DUE,
    HOLD,
    KITTY,
    NO,
    NOT_SENT,
    PREPAID,
    REFUND,
    SENDING,
    TOP_UP,
    UNKNOWN,
    VOID,
    answer,
    answer_top_up,
    asked,
    authorized,
    cancelling,
    claimed,
    facts_since,
    held,
    leg,
    refund,
    refunding,
    sent_since,
    settled,
    started,
    top_up,
)


class TestPay:
    def test_writes_every_hold_down_with_the_start(self) -> None:
        """The start and what is about to be sent are one commit; the card waits for the holds."""
        world = started()
        assert facts_since(world, 2) == [PaymentStarted, LegSent, LegSent]
        assert asked(world)[:CARDS] == [(HOLD, SENDING), (HOLD, SENDING)]
        assert not leg(world, CARDS).pending

    def test_asks_the_card_once_everything_is_held(self) -> None:
        """Holds first, card last: one hold is not enough."""
        world = started()
        answer(world, PREPAID, DONE)
        assert not leg(world, CARDS).pending
        answer(world, KITTY, DONE)
        assert asked(world)[CARDS] == (AUTHORIZE, SENDING)
        assert world.checkout(CHECKOUT).state is CheckoutState.PROCESSING

    def test_captures_what_was_authorized(self) -> None:
        """From then on it can no longer be cancelled."""
        world = authorized()
        assert asked(world)[CARDS] == (CAPTURE, SENDING)
        assert world.checkout(CHECKOUT).state is CheckoutState.AUTHORIZED

    def test_settles_with_the_capture(self) -> None:
        """The fact names what each tender paid, ascending by kind as tickets spell them."""
        world = settled()
        fact = world.journal[-1]
        assert isinstance(fact, CheckoutSettled)
        ids = [leg(world, place).leg_id for place in (KITTY, PREPAID, CARDS)]
        assert fact.tenders == (
            SettledTender(ids[CARDS], TicketTender.CARD, 200, 0, "pi_1"),
            SettledTender(ids[PREPAID], TicketTender.PREPAID, 500, 0, ""),
            SettledTender(ids[KITTY], TicketTender.KITTY, 300, 300, ""),
        )
        assert world.checkout(CHECKOUT).settle_time == START

    def test_settles_without_a_card_once_everything_is_held(self) -> None:
        """Nobody else has to be asked."""
        world = started(tender(TenderKind.PREPAID, DUE))
        assert answer(world, 0, DONE).state is CheckoutState.SETTLED

    def test_counts_suppliers_coupons_as_tenders(self) -> None:
        """The tenders sum to the ticket's total, coupons included."""
        world = started(tender(TenderKind.PREPAID, DUE), coupon_minor=70)
        answer(world, 0, DONE)
        fact = world.journal[-1]
        assert isinstance(fact, CheckoutSettled)
        assert fact.tenders[0] == SettledTender(None, TicketTender.SUPPLIER_COUPON, 70, 0, "")
        assert sum(paid.amount_minor for paid in fact.tenders) == fact.basket.total_minor

    def test_tries_a_capture_again_that_was_not_sent(self) -> None:
        """The authorization stands, so a new key asks for the same."""
        world = authorized()
        length = len(world.journal)
        answer(world, CARDS, NOT_SENT)
        assert sent_since(world, length) == [(CAPTURE, 2, leg(world, CARDS).leg_id)]
        assert world.checkout(CHECKOUT).state is CheckoutState.AUTHORIZED


class TestUndo:
    def test_gives_back_what_stands_last_leg_first(self) -> None:
        """The card says no: the prepaid money and the kitty go back, then the attempt has failed."""
        world = held()
        length = len(world.journal)
        answer(world, CARDS, DECLINED, decline=NO)
        assert sent_since(world, length) == [
            (VOID, 1, leg(world, PREPAID).leg_id),
            (VOID, 1, leg(world, KITTY).leg_id),
        ]
        assert answer(world, KITTY, DONE).state is CheckoutState.PROCESSING
        checkout = answer(world, PREPAID, DONE)
        assert (checkout.state, checkout.decline) == (CheckoutState.OPEN, NO)
        assert checkout.ever_declined

    def test_asks_the_card_nothing_when_a_hold_is_refused(self) -> None:
        """The refusal of one hold gives back the other."""
        world = started()
        no = Decline("VALUE_INSUFFICIENT")
        answer(world, KITTY, DECLINED, decline=no)
        answer(world, PREPAID, DONE)
        assert asked(world)[1:] == [(VOID, SENDING), (0, 0)]
        assert answer(world, PREPAID, DONE).decline == no

    def test_fails_at_once_when_nothing_stands(self) -> None:
        """A card alone that says no leaves nothing to give back."""
        world = started(tender(TenderKind.CARD, DUE))
        assert answer(world, 0, DECLINED, decline=NO).state is CheckoutState.OPEN

    def test_finds_out_first_what_is_unknown(self) -> None:
        """A hold whose outcome is unknown keeps the others until it is known; then all go back."""
        world = started()
        answer(world, KITTY, UNKNOWN)
        answer(world, PREPAID, DONE)
        world.settle(cancelling())
        assert asked(world)[:CARDS] == [(HOLD, UNKNOWN), (HOLD, DONE)]
        answer(world, KITTY, DONE)
        assert asked(world)[:CARDS] == [(VOID, SENDING), (VOID, SENDING)]

    def test_keeps_an_unknown_card_for_as_long_as_it_takes(self) -> None:
        """No time that passes makes an unknown outcome a failure."""
        world = held()
        answer(world, CARDS, UNKNOWN)
        world.now += timedelta(days=6)
        assert answer(world, CARDS, UNKNOWN).outcome_unknown
        assert asked(world) == [(HOLD, DONE), (HOLD, DONE), (AUTHORIZE, UNKNOWN)]

    def test_takes_a_request_that_never_arrived_for_a_no(self) -> None:
        """It is known not to have happened: the attempt is over, and says why."""
        world = started(tender(TenderKind.CARD, DUE))
        assert answer(world, 0, NOT_SENT).decline == NOT_SENT_DECLINE

    def test_ends_an_attempt_whose_capture_is_refused(self) -> None:
        """The reservation is gone: nothing is left of the card, the rest goes back."""
        world = authorized()
        assert answer(world, CARDS, DECLINED, decline=NO).state is CheckoutState.PROCESSING
        assert asked(world) == [(VOID, SENDING), (VOID, SENDING), (CAPTURE, DECLINED)]
        answer(world, KITTY, DONE)
        checkout = answer(world, PREPAID, DONE)
        assert (checkout.state, checkout.decline) == (CheckoutState.OPEN, NO)

    def test_asks_again_who_refuses_to_give_back(self) -> None:
        """Something still stands, so the attempt is not over; what was said is kept."""
        world = held()
        answer(world, CARDS, DECLINED, decline=NO)
        answer(world, KITTY, DONE)
        checkout = answer(world, PREPAID, DECLINED, decline=Decline("HOLD_NOT_OPEN"))
        assert checkout.state is CheckoutState.PROCESSING
        assert asked(world)[PREPAID] == (VOID, UNKNOWN)
        assert leg(world, PREPAID).decline == Decline("HOLD_NOT_OPEN")

    def test_takes_a_new_key_to_give_back_what_was_not_sent(self) -> None:
        """The old key is known to be of no use."""
        world = held()
        answer(world, CARDS, DECLINED, decline=NO)
        answer(world, KITTY, NOT_SENT)
        assert leg(world, KITTY).stands(VOID, SENDING)
        assert leg(world, KITTY).try_number == 2

    def test_gives_up_when_the_holds_run_out_before_the_card_answers(self) -> None:
        """A card that says yes a week later is not captured: the value beside it may be gone."""
        world = held()
        answer(world, CARDS, UNKNOWN)
        world.now += HOLD_FOR
        answer(world, CARDS, DONE, reference="pi_1")
        assert asked(world) == [(VOID, SENDING)] * 3
        for place in (CARDS, PREPAID, KITTY):
            checkout = answer(world, place, DONE)
        assert (checkout.state, checkout.decline) == (CheckoutState.OPEN, HOLD_EXPIRED)

    def test_asks_the_card_nothing_once_the_shopper_has_left(self) -> None:
        """Points that answer days later find nobody at the till: what is held goes back, the card is never asked."""
        world = started()
        answer(world, PREPAID, DONE)
        answer(world, KITTY, UNKNOWN)
        world.now += WANTED_MAX + timedelta(seconds=1)
        answer(world, KITTY, DONE)
        assert asked(world) == [(VOID, SENDING), (VOID, SENDING), (0, 0)]
        answer(world, PREPAID, DONE)
        checkout = answer(world, KITTY, DONE)
        assert (checkout.state, checkout.decline) == (CheckoutState.OPEN, HOLD_TOO_LATE)

    def test_asks_the_card_as_long_as_the_shopper_may_wait(self) -> None:
        """A trouble of minutes ends well."""
        world = started()
        answer(world, PREPAID, DONE)
        world.now += WANTED_MAX
        answer(world, KITTY, DONE)
        assert asked(world)[CARDS] == (AUTHORIZE, SENDING)

    def test_settles_nothing_without_a_card_either_once_the_shopper_has_left(self) -> None:
        """The basket was paid otherwise, or stayed at the till."""
        world = started(tender(TenderKind.PREPAID, DUE))
        answer(world, 0, UNKNOWN)
        world.now += WANTED_MAX + timedelta(seconds=1)
        answer(world, 0, DONE)
        assert asked(world) == [(VOID, SENDING)]
        assert answer(world, 0, DONE).decline == HOLD_TOO_LATE

    def test_holds_outlast_the_attempt(self) -> None:
        """What is settled at the last moment is booked later, and must still find its hold."""
        world = held()
        checkout = world.checkout(CHECKOUT)
        assert checkout.give_up_time == START + HOLD_FOR
        assert checkout.hold_expire_time == START + HOLD_FOR + SETTLE_FOR

    def test_older_attempts_are_given_up_when_their_holds_end(self) -> None:
        """Their facts name one time for both, and are decided as they were then."""
        world = claimed()
        command = paying(CHECKOUT, tender(TenderKind.PREPAID, DUE))
        world.settle(replace(command, give_up_time=None, hold_expire_time=START + HOLD_FOR))
        world.now += HOLD_FOR
        answer(world, 0, DONE)
        assert asked(world) == [(VOID, SENDING)]


class TestCancelWhilePaying:
    def test_undoes_a_card_that_says_yes_too_late(self) -> None:
        """The cancellation came while the card was asked: its yes is cancelled, not captured."""
        world = held()
        world.settle(cancelling())
        answer(world, CARDS, DONE, reference="pi_1")
        assert asked(world) == [(VOID, SENDING)] * 3
        for place in (KITTY, PREPAID, CARDS):
            checkout = answer(world, place, DONE)
        assert checkout.state is CheckoutState.CANCELLED
        fact = world.journal[-1]
        assert isinstance(fact, CheckoutCancelled)
        assert fact.cause is CancelCause.REQUESTED

    def test_does_not_report_a_decline(self) -> None:
        """Who gave the checkout up is told that it is cancelled, though the card said no."""
        world = started(tender(TenderKind.CARD, DUE))
        world.settle(cancelling())
        assert answer(world, 0, DECLINED, decline=NO).state is CheckoutState.CANCELLED


class TestRefund:
    def test_refunds_the_card_first(self) -> None:
        """Stored value goes back by the fact, and the fact waits for the card."""
        world = refunding()
        assert asked(world) == [(HOLD, DONE), (HOLD, DONE), (REFUND, SENDING)]
        answer(world, CARDS, DONE, reference="re_1")
        fact = world.journal[-1]
        assert isinstance(fact, CheckoutRefunded)
        assert [(paid.kind, paid.amount_minor) for paid in fact.tenders] == [
            (TicketTender.CARD, 200),
            (TicketTender.PREPAID, 500),
            (TicketTender.KITTY, 300),
        ]
        assert fact.tenders[0].provider_reference == "re_1"
        assert fact.sales_by_vat_rate == ((2000, DUE),)

    def test_is_done_at_once_without_a_card(self) -> None:
        """Nobody has to be asked."""
        world = started(tender(TenderKind.PREPAID, DUE))
        answer(world, 0, DONE)
        length = len(world.journal)
        world.settle(refund())
        assert facts_since(world, length)[1:] == [CheckoutRefunded]

    def test_stays_under_way_while_the_outcome_is_unknown(self) -> None:
        """The same refund is found out; no second one is asked for."""
        world = refunding()
        checkout = answer(world, CARDS, UNKNOWN)
        assert (checkout.state, checkout.outcome_unknown) == (CheckoutState.REFUNDING, True)

    def test_leaves_the_checkout_settled_when_it_is_refused(self) -> None:
        """The till hears why; a new request tries again under a new key."""
        world = refunding()
        checkout = answer(world, CARDS, DECLINED, decline=NO)
        assert (checkout.state, checkout.decline) == (CheckoutState.SETTLED, NO)
        length = len(world.journal)
        world.settle(refund())
        assert sent_since(world, length) == [(REFUND, 2, leg(world, CARDS).leg_id)]
        assert world.checkout(CHECKOUT).decline is None


class TestTopUp:
    def test_authorizes_then_captures_then_settles(self) -> None:
        """The balance grows by the fact, once the card is captured."""
        world = World()
        world.settle(top_up())
        assert asked(world, payment_id=TOP_UP) == [(AUTHORIZE, SENDING)]
        answer_top_up(world, DONE, reference="pi_1")
        assert asked(world, payment_id=TOP_UP) == [(CAPTURE, SENDING)]
        answer_top_up(world, DONE)
        fact = world.journal[-1]
        assert isinstance(fact, TopUpSettled)
        assert (fact.amount_minor, fact.provider_reference) == (5000, "pi_1")

    def test_fails_without_effect(self) -> None:
        """A no ends it, whether to the authorization or to the capture."""
        for said in ([DECLINED], [DONE, DECLINED], [UNKNOWN, NOT_SENT]):
            world = World()
            world.settle(top_up())
            for phase in said:
                answer_top_up(world, phase)
            assert facts_since(world, len(world.journal) - 2) == [LegAnswered, TopUpFailed]
            failed = world.payment(TOP_UP)
            assert isinstance(failed, TopUp)
            assert (failed.state, failed.decline) == (TopUpState.FAILED, NOT_SENT_DECLINE)

    def test_waits_for_what_is_unknown(self) -> None:
        """An unknown capture is neither settled nor failed."""
        world = World()
        world.settle(top_up())
        answer_top_up(world, DONE)
        answer_top_up(world, UNKNOWN)
        assert world.payment(TOP_UP).in_flight


class TestSecondAttempt:
    def test_has_legs_of_its_own(self) -> None:
        """What became of the first attempt cannot be taken for the second's."""
        world = started(tender(TenderKind.CARD, DUE))
        first = leg(world, 0)
        answer(world, 0, DECLINED, decline=NO)
        world.settle(paying(CHECKOUT, tender(TenderKind.CARD, DUE)))
        checkout = world.checkout(CHECKOUT)
        assert (checkout.attempt, checkout.decline) == (2, None)
        assert leg(world, 0).leg_id != first.leg_id
        assert [type(fact) for fact in world.journal].count(PaymentFailed) == 1
