"""Shoppers and their cards."""

from uuid import UUID

import pytest

from services.wallet.domain.command import (
    Command,
    DefaultMethod,
    DetachMethod,
    EnrolMethod,
    RegisterShopper,
)
from services.wallet.domain.enrolling import ShopperOutcome
from services.wallet.domain.shopper import (
    METHODS_MAX,
    EnrolmentNotFinished,
    PaymentMethodNotFound,
    PaymentMethodsTooMany,
    Shopper,
    card_of,
)
from tests.properties.wallet.world import SHOPPER, World, new_id

ONE, OTHER, THIRD = new_id(1), new_id(2), new_id(3)


def register(name: str = "cus_1") -> RegisterShopper:
    """Give the command that keeps the provider's name of the shopper."""
    return RegisterShopper(
        event_id=new_id(), trace_parent="", customer_id=SHOPPER, provider_customer=name
    )


def enrol(method: UUID, fingerprint: str | None = None) -> EnrolMethod:
    """Give the command that keeps a card."""
    return EnrolMethod(
        event_id=new_id(),
        trace_parent="",
        customer_id=SHOPPER,
        payment_method_id=method,
        provider_method=f"pm_{method}",
        fingerprint=f"print of {method}" if fingerprint is None else fingerprint,
        brand="visa",
        last_four="4242",
        expire_month=1,
        expire_year=2030,
    )


def default(method: UUID) -> DefaultMethod:
    """Give the command that makes a card the default one."""
    return DefaultMethod(
        event_id=new_id(), trace_parent="", customer_id=SHOPPER, payment_method_id=method
    )


def detach(method: UUID) -> DetachMethod:
    """Give the command that forgets a card."""
    return DetachMethod(
        event_id=new_id(), trace_parent="", customer_id=SHOPPER, payment_method_id=method
    )


def done(world: World, *commands: Command) -> ShopperOutcome:
    """Do what is not refused, and give the last outcome."""
    outcome = [world.submit(command) for command in commands][-1]
    assert isinstance(outcome, ShopperOutcome), outcome
    return outcome


class TestRegister:
    def test_keeps_the_first_name(self) -> None:
        """Two processes that register a shopper at once agree afterwards."""
        world = World()
        done(world, register("cus_1"))
        outcome = done(world, register("cus_2"))
        assert (outcome.shopper.provider_customer, outcome.replayed) == ("cus_1", True)


class TestEnrol:
    def test_makes_the_first_card_the_default_one(self) -> None:
        """A second one does not replace it."""
        outcome = done(World(), register(), enrol(ONE), enrol(OTHER))
        assert outcome.shopper.default_id == ONE
        assert [m.payment_method_id for m in outcome.shopper.methods] == [ONE, OTHER]

    def test_keeps_the_same_card_once(self) -> None:
        """By the fingerprint, or by the enrolment that is confirmed again."""
        world = World()
        done(world, register(), enrol(ONE, "same"))
        for again in (enrol(OTHER, "same"), enrol(ONE, "other")):
            outcome = done(world, again)
            assert (outcome.payment_method_id, outcome.replayed) == (ONE, True)

    def test_tells_cards_without_fingerprint_apart(self) -> None:
        """An empty fingerprint is nobody's."""
        outcome = done(World(), register(), enrol(ONE, ""), enrol(OTHER, ""))
        assert len(outcome.shopper.methods) == 2

    def test_refuses_a_stranger_and_a_card_that_was_detached(self) -> None:
        """The provider's method of a detached card is of no use any more."""
        assert isinstance(World().refusal(enrol(ONE)), EnrolmentNotFinished)
        world = World()
        done(world, register(), enrol(ONE), detach(ONE))
        assert isinstance(world.refusal(enrol(ONE)), EnrolmentNotFinished)

    def test_refuses_one_card_too_many(self) -> None:
        """A wallet is no list to try stolen cards with."""
        world = World()
        done(world, register(), *(enrol(new_id(10 + n)) for n in range(METHODS_MAX)))
        assert isinstance(world.refusal(enrol(ONE)), PaymentMethodsTooMany)


class TestDefault:
    def test_changes_the_card_that_pays_when_none_is_named(self) -> None:
        """Once; a repeat leaves no fact."""
        world = World()
        outcome = done(world, register(), enrol(ONE), enrol(OTHER), default(OTHER))
        assert card_of(outcome.shopper, None).payment_method_id == OTHER
        assert card_of(outcome.shopper, ONE).provider_method == f"pm_{ONE}"
        assert done(world, default(OTHER)).replayed

    def test_refuses_a_card_that_the_shopper_has_not(self) -> None:
        """Nor does an unknown shopper have any."""
        world = World()
        assert isinstance(world.refusal(default(ONE)), PaymentMethodNotFound)
        done(world, register(), enrol(ONE), enrol(OTHER), detach(OTHER))
        assert isinstance(world.refusal(default(OTHER)), PaymentMethodNotFound)


class TestDetach:
    def test_leaves_the_oldest_card_as_the_default_one(self) -> None:
        """And none when it was the last."""
        world = World()
        done(world, register(), enrol(ONE), enrol(OTHER), enrol(THIRD), default(OTHER))
        assert done(world, detach(OTHER)).shopper.default_id == ONE
        assert done(world, detach(ONE), detach(THIRD)).shopper.default_id is None

    def test_may_be_repeated(self) -> None:
        """A card that is gone stays gone; one that never was is refused."""
        world = World()
        done(world, register(), enrol(ONE), detach(ONE))
        outcome = done(world, detach(ONE))
        assert outcome.replayed
        assert isinstance(world.refusal(detach(OTHER)), PaymentMethodNotFound)


class TestCardOf:
    @pytest.mark.parametrize(
        "shopper", [None, Shopper(customer_id=SHOPPER, version=1, provider_customer="c")]
    )
    def test_refuses_who_has_no_card(self, shopper: Shopper | None) -> None:
        """Neither a named nor a default one."""
        for method in (None, ONE):
            with pytest.raises(PaymentMethodNotFound):
                card_of(shopper, method)
