"""The driver: what it asks, when it asks again, and how it stops; decisions are the domain's own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from services.common.runtime.group_commit import BatchFailed
from services.wallet.domain.checkout import CheckoutState
from services.wallet.domain.command import Answer, RecordAnswers
from services.wallet.domain.event import LegAnswered
from services.wallet.domain.leg import Decline, LegPhase
from services.wallet.domain.payment import Payment
from services.wallet.domain.step import Step, StepKind
from services.wallet.usecases.drive import Driver
from tests.properties.wallet.world import START, World
from tests.unit.wallet.domain.till import CHECKOUT, cancelling, held, settled, started

DONE, DECLINED, NOT_SENT = LegPhase.DONE, LegPhase.DECLINED, LegPhase.NOT_SENT
UNKNOWN = LegPhase.OUTCOME_UNKNOWN
SECONDS_MAX = 60.0


@dataclass
class Others:
    """Everybody who is asked: what they answer next, and what they were asked."""

    scripts: dict[StepKind, list[LegPhase]] = field(default_factory=dict)
    """The next answers by kind of call; then DONE."""
    asked: list[tuple[StepKind, int, int]] = field(default_factory=list)
    """Kind, number of the try, number of the probe."""
    stuck: set[StepKind] = field(default_factory=set)
    """Who never answers."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once somebody stuck was asked."""

    async def __call__(self, step: Step, *, probe_number: int) -> Answer:
        """Answer a call."""
        self.asked.append((step.kind, step.leg.try_number, probe_number))
        if step.kind in self.stuck:
            self.begun.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        script = self.scripts.get(step.kind, [])
        phase = script.pop(0) if script else DONE
        decline = Decline("no") if phase is DECLINED else None
        leg = step.leg
        return Answer(leg.leg_id, leg.operation, leg.try_number, phase, decline, "")

    def kinds(self) -> list[StepKind]:
        """Give who was asked, in order."""
        return [kind for kind, _, _ in self.asked]


@dataclass
class Road:
    """A driver over a world without a database."""

    world: World
    others: Others
    waits: list[int] = field(default_factory=list)
    failures: int = 0
    """How many of the next commits fail."""
    driver: Driver = field(init=False)

    def __post_init__(self) -> None:
        """Make the driver."""
        self.driver = Driver(
            self.record, self.others, lambda: START, delay=self._delay, driven_max=2
        )

    async def record(self, command: RecordAnswers) -> Payment:
        """Decide, as the queue does."""
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise BatchFailed("The batch was not committed.")
        return self.world.settle(command)

    def _delay(self, probe_number: int) -> float:
        self.waits.append(probe_number)
        return 0.001

    async def end(self) -> None:
        """Wait until nothing is driven."""
        await until(lambda: not self.driver.is_driving(CHECKOUT))

    def state(self) -> CheckoutState:
        """Give the state of the checkout."""
        return self.world.checkout(CHECKOUT).state


async def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(SECONDS_MAX):
        while not holds():  # noqa: ASYNC110 -- the driver's tasks end it
            await asyncio.sleep(0.001)


@asynccontextmanager
async def driving(world: World, others: Others, *, found: bool = False) -> AsyncIterator[Road]:
    """Drive the world's checkout."""
    road = Road(world, others)
    running = asyncio.create_task(road.driver.run())
    await asyncio.sleep(0)
    road.driver.drive(world.checkout(CHECKOUT), found=found)
    yield road
    road.driver.stop()
    await asyncio.wait_for(running, SECONDS_MAX)


class TestDrive:
    async def test_asks_holds_together_and_the_card_last(self) -> None:
        """Everything that can be undone is arranged before the card is asked."""
        async with driving(started(), Others()) as road:
            await road.end()

        kinds = road.others.kinds()
        assert set(kinds[:2]) == {StepKind.HOLD_VALUE, StepKind.HOLD_MONEY}
        assert kinds[2:] == [StepKind.AUTHORIZE, StepKind.CAPTURE]
        assert road.state() is CheckoutState.SETTLED

    async def test_what_is_at_rest_is_not_driven(self) -> None:
        """A settled checkout asks for nothing."""
        async with driving(settled(), Others()) as road:
            assert not road.driver.is_driving(CHECKOUT)

        assert road.others.asked == []

    async def test_probes_an_unknown_outcome_with_growing_numbers(self) -> None:
        """One fact says unknown; what is asked again says nothing until something is known."""
        others = Others({StepKind.AUTHORIZE: [UNKNOWN, UNKNOWN, UNKNOWN, DONE]})
        async with driving(held(), others) as road:
            await road.end()

        probes = [probe for kind, _, probe in others.asked if kind is StepKind.AUTHORIZE]
        answers = [event for event in road.world.journal if isinstance(event, LegAnswered)]
        assert probes == [0, 1, 2, 3]
        assert road.waits == [1, 2, 3]
        assert [event.phase for event in answers if event.phase is UNKNOWN] == [UNKNOWN]
        assert road.state() is CheckoutState.SETTLED

    async def test_a_new_try_waits_its_turn(self) -> None:
        """A capture that fails under each key is not tried at full speed."""
        others = Others({StepKind.CAPTURE: [NOT_SENT, NOT_SENT, NOT_SENT]})
        async with driving(held(), others) as road:
            await road.end()

        tries = [try_number for kind, try_number, _ in others.asked if kind is StepKind.CAPTURE]
        assert tries == [1, 2, 3, 4]
        assert road.waits == [1, 2, 3]

    async def test_what_was_found_is_found_out_and_not_sent_anew(self) -> None:
        """A dead process may have sent it, so the first call is already a probe; the next is a first one."""
        async with driving(held(), Others(), found=True) as road:
            await road.end()

        assert road.others.asked == [(StepKind.AUTHORIZE, 1, 1), (StepKind.CAPTURE, 1, 0)]

    async def test_a_nudge_cuts_the_wait_short(self) -> None:
        """A hint of the provider asks again now."""
        others = Others({StepKind.AUTHORIZE: [UNKNOWN]})
        async with driving(held(), others) as road:
            road.driver._delay = lambda _: SECONDS_MAX * 10
            await until(lambda: road.world.checkout(CHECKOUT).outcome_unknown)
            await until(lambda: not road.driver.nudge(CHECKOUT))

        assert road.state() is CheckoutState.SETTLED

    async def test_takes_a_cancellation_in_while_it_waits(self) -> None:
        """What somebody else commits changes what is asked next."""
        others = Others({StepKind.AUTHORIZE: [UNKNOWN]})
        async with driving(held(), others) as road:
            await until(lambda: road.world.checkout(CHECKOUT).outcome_unknown)
            payment = road.world.settle(cancelling())
            road.driver.notice([payment])
            await road.end()

        assert StepKind.CANCEL_CARD in others.kinds()
        assert road.state() is CheckoutState.CANCELLED

    async def test_answers_are_recorded_again_until_they_are_kept(self) -> None:
        """A database that is away loses no answer."""
        others = Others()
        async with driving(held(), others) as road:
            road.failures = 2
            await road.end()

        assert others.kinds() == [StepKind.AUTHORIZE, StepKind.CAPTURE]
        assert road.state() is CheckoutState.SETTLED

    async def test_drives_one_payment_by_one_task(self) -> None:
        """Whoever asks again only tells it of a newer state."""
        others = Others()
        async with driving(started(), others) as road:
            road.driver.drive(road.world.checkout(CHECKOUT))
            road.driver.drive(road.world.checkout(CHECKOUT))
            await road.end()

        assert len(others.asked) == 4

    async def test_a_full_road_takes_nobody_else(self) -> None:
        """Payments beyond the bound stay where they are; the recovery comes back to them."""
        others = Others(stuck={StepKind.AUTHORIZE})
        async with driving(held(), others) as road:
            assert road.driver.room == 1

            await others.begun.wait()
            road.driver.stop()

            assert road.driver.room == 0

    async def test_stops_without_waiting_for_a_probes_turn(self) -> None:
        """What waits to ask again is left to whoever drives next."""
        others = Others({StepKind.AUTHORIZE: [UNKNOWN]})
        async with driving(held(), others) as road:
            road.driver._delay = lambda _: SECONDS_MAX * 10
            await until(lambda: road.world.checkout(CHECKOUT).outcome_unknown)

        assert not road.driver.is_driving(CHECKOUT)
        assert road.state() is CheckoutState.PROCESSING
