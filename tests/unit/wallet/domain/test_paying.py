"""Starting a payment, taking answers in, refunding, topping up."""

from dataclasses import replace

import pytest

from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.command import Answer
from services.wallet.domain.event import LegAnswered
from services.wallet.domain.leg import Leg
from services.wallet.domain.opening import (
    CheckoutNotClaimed,
    CheckoutNotFound,
    CheckoutNotOpen,
    ClaimedByAnother,
    PaymentOutcome,
    RequestIdReused,
)
from services.wallet.domain.paying import (
    AttemptsTooMany,
    CheckoutNotRefundable,
    TendersInsufficient,
)
from services.wallet.domain.tender import TenderKind
from tests.properties.wallet.world import (
    ATTEMPTS_MAX,
    CARD,
    START,
    World,
    a_basket,
    new_id,
    opening,
    paying,
    tender,
)
from tests.unit.wallet.domain.till import (
    CARDS,
    CHECKOUT,
    DECLINED,
    DONE,
    DUE,
    KITTY,
    NO,
    NOT_SENT,
    PREPAID,
    REQUEST,
    SPLIT,
    UNKNOWN,
    answer,
    answer_to,
    asked,
    authorized,
    claimed,
    facts_since,
    held,
    leg,
    recording,
    refund,
    refunding,
    settled,
    started,
    top_up,
)

STRANGER = new_id(99)


class TestDecidePayment:
    def test_answers_a_repeat_as_it_is_now(self) -> None:
        """The same id and content find the attempt, though it failed and another one settled."""
        world = started(tender(TenderKind.CARD, DUE))
        answer(world, 0, DECLINED, decline=NO)
        world.settle(paying(CHECKOUT, tender(TenderKind.PREPAID, DUE)))
        answer(world, 0, DONE)
        verdict = world.submit(paying(CHECKOUT, *SPLIT, request_id=REQUEST))
        assert verdict == PaymentOutcome(world.checkout(CHECKOUT), replayed=True)

    def test_refuses_other_content_under_the_same_id(self) -> None:
        """Even when the attempt is long over."""
        world = settled()
        other = paying(CHECKOUT, *SPLIT, request_id=REQUEST, request_hash=b"\1" * 32)
        assert isinstance(world.refusal(other), RequestIdReused)

    def test_refuses_a_second_attempt_beside_the_first(self) -> None:
        """Two phones of one shopper pay once."""
        for world in (started(), authorized(), settled(), refunding()):
            assert isinstance(world.refusal(paying(CHECKOUT, *SPLIT)), CheckoutNotOpen)

    def test_wants_the_checkout_claimed(self) -> None:
        """By the shopper who pays."""
        world = World()
        world.settle(opening(CHECKOUT, a_basket(DUE)))
        assert isinstance(world.refusal(paying(CHECKOUT, *SPLIT)), CheckoutNotClaimed)
        stranger = replace(paying(CHECKOUT, *SPLIT), customer_id=STRANGER)
        assert isinstance(claimed().refusal(stranger), ClaimedByAnother)
        assert isinstance(world.refusal(paying(new_id(), *SPLIT)), CheckoutNotFound)

    @pytest.mark.parametrize("amount", [DUE - 1, DUE + 1])
    def test_pays_exactly_what_is_due(self, amount: int) -> None:
        """Neither less nor more."""
        refusal = claimed().refusal(paying(CHECKOUT, tender(TenderKind.PREPAID, amount)))
        assert isinstance(refusal, TendersInsufficient)
        assert refusal.metadata["missing_minor"] == str(DUE - amount)

    def test_allows_so_many_attempts_and_no_more(self) -> None:
        """Ten cards were declined: the eleventh is not asked, and the repeat of the tenth is still answered."""
        world = claimed()
        for number in range(ATTEMPTS_MAX):
            world.settle(paying(CHECKOUT, tender(TenderKind.CARD, DUE), request_id=new_id(number)))
            answer(world, 0, DECLINED, decline=NO)
        refusal = world.refusal(paying(CHECKOUT, tender(TenderKind.CARD, DUE)))
        assert isinstance(refusal, AttemptsTooMany)
        assert refusal.metadata["attempts_max"] == str(ATTEMPTS_MAX)
        last = paying(CHECKOUT, tender(TenderKind.CARD, DUE), request_id=new_id(ATTEMPTS_MAX - 1))
        assert world.submit(last) == PaymentOutcome(world.checkout(CHECKOUT), replayed=True)

    def test_makes_no_leg_of_a_tender_that_pays_nothing(self) -> None:
        """A means that has nothing takes no part."""
        world = started(tender(TenderKind.KITTY, 0), tender(TenderKind.CARD, DUE))
        assert [leg.kind for leg in world.checkout(CHECKOUT).legs] == [TenderKind.CARD]


class TestDecideAnswers:
    def test_ignores_an_answer_to_what_is_no_longer_asked(self) -> None:
        """The late yes to the authorization is not taken for one to the capture."""
        world = held()
        asking = leg(world, CARDS)
        answer(world, CARDS, DONE)
        length = len(world.journal)
        assert answer_to(world, asking, DONE).state is CheckoutState.AUTHORIZED
        assert len(world.journal) == length

    def test_ignores_an_answer_to_an_earlier_try(self) -> None:
        """The first try's late no says nothing about the second."""
        world = authorized()
        first = leg(world, CARDS)
        answer(world, CARDS, NOT_SENT)
        length = len(world.journal)
        answer_to(world, first, DECLINED, decline=NO)
        assert len(world.journal) == length

    def test_ignores_what_it_knows(self) -> None:
        """An outcome that stays unknown leaves no fact at each probe."""
        world = held()
        answer(world, CARDS, UNKNOWN)
        length = len(world.journal)
        answer(world, CARDS, UNKNOWN)
        assert len(world.journal) == length

    def test_keeps_a_name_that_turns_up_while_it_is_unknown(self) -> None:
        """By its name it can be found out."""
        world = held()
        answer(world, CARDS, UNKNOWN)
        length = len(world.journal)
        answer(world, CARDS, UNKNOWN, reference="pi_1")
        answer(world, CARDS, UNKNOWN, reference="pi_1")
        assert facts_since(world, length) == [LegAnswered]
        assert leg(world, CARDS).provider_reference == "pi_1"

    def test_ignores_a_leg_of_an_earlier_attempt(self) -> None:
        """Its hold was given back before the attempt was over."""
        world = started()
        old = leg(world, KITTY)
        answer(world, KITTY, DECLINED, decline=NO)
        answer(world, PREPAID, DECLINED, decline=NO)
        world.settle(paying(CHECKOUT, *SPLIT))
        before = asked(world)
        answer_to(world, old, DONE)
        assert asked(world) == before

    def test_takes_answers_of_several_legs_at_once(self) -> None:
        """What follows is decided when all are in."""
        world = started()
        both = [done(leg(world, place)) for place in (KITTY, PREPAID)]
        length = len(world.journal)
        verdict = world.submit(recording(CHECKOUT, *both))
        assert isinstance(verdict, PaymentOutcome)
        assert not verdict.replayed
        assert len(world.journal) == length + 3

    def test_refuses_answers_of_what_does_not_exist(self) -> None:
        """Nothing is written."""
        world = started()
        unknown = recording(new_id(), done(leg(world, KITTY)))
        assert isinstance(world.refusal(unknown), CheckoutNotFound)


def done(leg: Leg) -> Answer:
    """Give a yes to what a leg is being asked."""
    return Answer(leg.leg_id, leg.operation, leg.try_number, DONE)


class TestDecideRefund:
    def test_answers_a_repeat_as_it_is_now(self) -> None:
        """The same request never refunds twice."""
        world = settled()
        command = refund(new_id(50))
        world.settle(command)
        answer(world, CARDS, DONE, reference="re_1")
        verdict = world.submit(replace(command, event_id=new_id()))
        assert isinstance(verdict, PaymentOutcome)
        assert (verdict.payment.state, verdict.replayed) == (CheckoutState.REFUNDED, True)

    def test_answers_the_repeat_of_a_refund_that_was_refused(self) -> None:
        """Its id does not begin another one."""
        world = settled()
        first, second = refund(new_id(50)), refund(new_id(51))
        for command in (first, second):
            world.settle(command)
            answer(world, CARDS, DECLINED, decline=NO)
        verdict = world.submit(replace(first, event_id=new_id()))
        assert isinstance(verdict, PaymentOutcome)
        assert verdict.replayed

    def test_wants_a_settled_checkout(self) -> None:
        """Nothing else can be given back, and nothing twice."""
        done = refunding()
        answer(done, CARDS, DONE, reference="re_1")
        for world in (claimed(), held(), authorized(), refunding(), done):
            refusal = world.refusal(refund())
            assert isinstance(refusal, CheckoutNotRefundable)
            assert refusal.metadata["state"] == world.checkout(CHECKOUT).state.name


class TestDecideTopUp:
    def test_answers_a_repeat_as_it_is_now(self) -> None:
        """A shopper who named no card may have another default by now."""
        world = World()
        world.settle(top_up())
        other_card = replace(CARD, payment_method_id=new_id())
        for repeat in (top_up(), top_up(card=other_card, card_named=False)):
            verdict = world.submit(repeat)
            assert isinstance(verdict, PaymentOutcome)
            assert verdict.replayed

    def test_refuses_other_content_under_the_same_id(self) -> None:
        """Another amount, shopper or card, or the id of a checkout."""
        world = World(now=START)
        world.settle(top_up())
        for other in (
            top_up(amount_minor=1),
            top_up(customer_id=STRANGER),
            top_up(card=replace(CARD, payment_method_id=new_id())),
        ):
            assert isinstance(world.refusal(other), RequestIdReused)
        of_checkout = replace(top_up(), top_up_id=CHECKOUT)
        assert isinstance(claimed().refusal(of_checkout), RequestIdReused)
