"""A crash before and after every call of the saga: whoever starts next ends it, settled or without effect.

Before a call, the fact that says "about to be sent" is there and nothing was sent; after it,
somebody has obeyed and the answer is lost. The wallet is cut off at that point as a killed
process is, and a new one starts on the same database.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

import pytest

from services.common.kernel.ids import new_uuid7
from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.command import Answer
from services.wallet.domain.step import Step, StepKind
from services.wallet.domain.tender import TenderKind
from services.wallet.domain.top_up import TopUp, TopUpState
from services.wallet.usecases.drive import Performs
from tests.integration.wallet.world import (
    CARD_MINOR,
    KITTY_MINOR,
    PREPAID_MINOR,
    TILL,
    Wallet,
    World,
    run_wallet,
)

CRASH_SECONDS_MAX = 60.0
TOP_UP_MINOR = 2_500


class Moment(Enum):
    """When a process dies."""

    BEFORE = "before"
    """The fact is written, and nothing is sent."""
    AFTER = "after"
    """Sent, obeyed and answered; nothing of it is written."""


@dataclass(slots=True)
class Crashing:
    """Makes calls, until the process "dies" at the first one of a list that is due."""

    perform: Performs
    points: list[tuple[StepKind, Moment]]
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, step: Step, *, probe_number: int) -> Answer:
        """Make a call, and die before or after it when its time has come."""
        await self._die_at(step, Moment.BEFORE)
        answer = await self.perform(step, probe_number=probe_number)
        await self._die_at(step, Moment.AFTER)
        return answer

    async def _die_at(self, step: Step, moment: Moment) -> None:
        if self.dead.is_set():
            await asyncio.Event().wait()
        if (step.kind, moment) in self.points:
            self.points.remove((step.kind, moment))
            self.dead.set()
            await asyncio.Event().wait()


Act = Callable[[Wallet], Awaitable[object]]


async def until_dead(world: World, act: Act, points: list[tuple[StepKind, Moment]]) -> None:
    """Run a wallet that does something, until it dies at one of the points."""
    crashing = Crashing(world.perform(), points)
    async with run_wallet(world, crashing) as wallet:
        acting = asyncio.ensure_future(act(wallet))
        async with asyncio.timeout(CRASH_SECONDS_MAX):
            await crashing.dead.wait()
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)


async def nothing(wallet: Wallet) -> None:
    """Let the recovery work."""
    del wallet


def every(*kinds: StepKind) -> list[tuple[StepKind, Moment]]:
    """Give all points of some kinds of call."""
    return [(kind, moment) for kind in kinds for moment in Moment]


PAYING = every(StepKind.HOLD_VALUE, StepKind.HOLD_MONEY, StepKind.AUTHORIZE, StepKind.CAPTURE)
UNDOING = every(StepKind.RELEASE_VALUE, StepKind.RELEASE_MONEY)
CANCELLING = every(StepKind.CANCEL_CARD, StepKind.RELEASE_MONEY, StepKind.RELEASE_VALUE)
TOPPING_UP = every(StepKind.AUTHORIZE, StepKind.CAPTURE)


async def prepare(world: World, card: str) -> UUID:
    """Enroll a card and open a claimed checkout, in a wallet that ends in peace."""
    async with run_wallet(world) as wallet:
        await wallet.enrol(card)
        return await wallet.open_claimed()


class TestCrash:
    @pytest.mark.parametrize("point", PAYING)
    async def test_while_paying(self, world: World, point: tuple[StepKind, Moment]) -> None:
        """The payment is found and settled, charged once."""
        checkout_id = await prepare(world, "pm_card_visa")
        await until_dead(world, lambda wallet: wallet.pay(checkout_id), [point])

        async with run_wallet(world) as wallet:
            checkout = await wallet.at_rest(checkout_id)

        assert checkout.state is CheckoutState.SETTLED
        assert await world.captured_minor() == CARD_MINOR
        held = sorted(hold.quantity for hold in world.purse.open_holds())
        assert held == [KITTY_MINOR, PREPAID_MINOR]

    async def test_at_every_call_in_a_row(self, world: World) -> None:
        """One payment outlives the death of eight processes."""
        checkout_id = await prepare(world, "pm_card_visa")
        points = list(PAYING)
        await until_dead(world, lambda wallet: wallet.pay(checkout_id), points)
        while points:
            await until_dead(world, nothing, points)

        async with run_wallet(world) as wallet:
            checkout = await wallet.at_rest(checkout_id)

        assert checkout.state is CheckoutState.SETTLED
        assert await world.captured_minor() == CARD_MINOR
        assert len(world.purse.open_holds()) == 2

    @pytest.mark.parametrize("point", [(StepKind.AUTHORIZE, Moment.AFTER), *UNDOING])
    async def test_while_undoing_a_decline(
        self, world: World, point: tuple[StepKind, Moment]
    ) -> None:
        """Everything is released; the checkout is open again."""
        checkout_id = await prepare(world, "pm_card_chargeDeclined")
        await until_dead(world, lambda wallet: wallet.pay(checkout_id), [point])

        async with run_wallet(world) as wallet:
            checkout = await wallet.at_rest(checkout_id)

        assert checkout.state is CheckoutState.OPEN
        assert checkout.decline is not None
        assert world.purse.open_holds() == []
        assert await world.captured_minor() == 0

    @pytest.mark.parametrize("point", CANCELLING)
    async def test_while_cancelling(self, world: World, point: tuple[StepKind, Moment]) -> None:
        """An authorization that nobody wants is cancelled, and nothing stays held."""
        checkout_id = await prepare(world, "pm_card_visa")
        await until_dead(
            world,
            lambda wallet: wallet.pay(checkout_id),
            [(StepKind.AUTHORIZE, Moment.AFTER)],
        )

        async def cancel(wallet: Wallet) -> None:
            await wallet.checkouts.cancel(checkout_id, caller=TILL)

        await until_dead(world, cancel, [point])

        async with run_wallet(world) as wallet:
            checkout = await wallet.at_rest(checkout_id)

        assert checkout.state is CheckoutState.CANCELLED
        assert world.purse.open_holds() == []
        assert await world.captured_minor() == 0

    @pytest.mark.parametrize("point", every(StepKind.REFUND_CARD))
    async def test_while_refunding(self, world: World, point: tuple[StepKind, Moment]) -> None:
        """The card gets its money back once."""
        checkout_id = await prepare(world, "pm_card_visa")
        async with run_wallet(world) as wallet:
            await wallet.pay(checkout_id)

        async def refund(wallet: Wallet) -> None:
            await wallet.checkouts.refund(checkout_id, request_id=new_uuid7())

        await until_dead(world, refund, [point])

        async with run_wallet(world) as wallet:
            checkout = await wallet.at_rest(checkout_id)

        assert checkout.state is CheckoutState.REFUNDED
        assert await world.refunded_minor() == CARD_MINOR

    @pytest.mark.parametrize("point", TOPPING_UP)
    async def test_while_topping_up(self, world: World, point: tuple[StepKind, Moment]) -> None:
        """The card is charged once, and the top-up settled."""
        await prepare(world, "pm_card_visa")
        top_up_id = new_uuid7()

        async def fill(wallet: Wallet) -> None:
            await wallet.top_ups.top_up(
                top_up_id,
                amount_minor=TOP_UP_MINOR,
                payment_method_id=None,
                caller=world.shopper,
            )

        await until_dead(world, fill, [point])

        async with run_wallet(world) as wallet:
            payment = await wallet.engine.reader.top_up(top_up_id, caller=world.shopper)
            ended = await wallet.engine.in_time.await_rest(payment)

        assert isinstance(ended, TopUp)
        assert ended.state is TopUpState.SETTLED
        assert await world.captured_minor() == TOP_UP_MINOR

    async def test_after_the_end(self, world: World) -> None:
        """A process that dies right after the settlement leaves nothing to do."""
        checkout_id = await prepare(world, "pm_card_visa")
        async with run_wallet(world) as wallet:
            await wallet.pay(checkout_id, [TenderKind.CARD])

        async with run_wallet(world) as wallet, wallet.db.connection() as conn:
            taken = await wallet.engine.recovery.look(conn, unmoved_seconds=0.0)
            checkout = await wallet.read(checkout_id)

        assert taken == 0
        assert checkout.state is CheckoutState.SETTLED
