"""Whatever fails, in whatever order: a payment ends settled or without effect, and only what was asked is charged."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.wallet.domain.checkout import Checkout, CheckoutState
from services.wallet.domain.command import (
    Answer,
    Command,
    ExpireCheckouts,
    RecordAnswers,
    RequestCancellation,
    StartRefund,
    StartTopUp,
)
from services.wallet.domain.event import CheckoutRefunded, CheckoutSettled, LegSent, TopUpSettled
from services.wallet.domain.leg import Leg, LegOperation
from services.wallet.domain.opening import PaymentOutcome, RequestIdReused
from services.wallet.domain.payment import Payment
from services.wallet.domain.step import Step, steps
from services.wallet.domain.tender import TenderKind
from services.wallet.domain.top_up import TopUpState
from tests.properties.wallet.counterparts import (
    NOT_SENT,
    UNKNOWN,
    Clients,
    Holds,
    HoldState,
    Intent,
    IntentState,
    Provider,
    Said,
)
from tests.properties.wallet.faults import Fault, answer_of, faults, recording, stored_legs, try_of
from tests.properties.wallet.world import (
    CARD,
    SHOPPER,
    World,
    a_basket,
    claiming,
    new_id,
    opening,
    paying,
    tender,
)

ROUNDS_MAX = 60

"""Rounds of undisturbed calls within which everything must come to its end: far more than a ladder has rungs."""

REFUND_TRIED = (CheckoutState.SETTLED, CheckoutState.REFUNDING, CheckoutState.REFUNDED)


class Phones(RuleBasedStateMachine):
    """A few checkouts and top-ups, driven by processes that may die at any time."""

    def __init__(self) -> None:
        """Begin with nothing, and with everybody saying yes."""
        super().__init__()
        self.world = World()
        self.noes: set[LegOperation] = set()
        approves = self._approves
        self.clients = Clients(Provider(approves), Holds(approves))
        self.commands: list[Command] = []
        self.probes: Counter[tuple[UUID, LegOperation]] = Counter()
        self.late: list[RecordAnswers] = []
        self.delayed: list[Leg] = []
        self.sent: set[tuple[UUID, LegOperation, int]] = set()

    def _approves(self, operation: LegOperation) -> bool:
        return operation not in self.noes

    def _submit(self, command: Command) -> None:
        self.commands.append(command)
        self.world.submit(command)

    def _pick(self, data: st.DataObject, payments: Iterable[Payment]) -> Payment:
        return data.draw(st.sampled_from(sorted(payments, key=lambda p: p.payment_id)))

    # Those who ask.

    @initialize(
        due=st.integers(1, 3000),
        card=st.booleans(),
        coupon=st.sampled_from([0, 50]),
        data=st.data(),
    )
    def begin(self, data: st.DataObject, due: int, coupon: int, *, card: bool) -> None:
        """A phone pays a basket, with a card or without."""
        checkout_id = new_id()
        self._submit(opening(checkout_id, a_basket(due, coupon_minor=coupon)))
        self._submit(claiming(checkout_id))
        if card:
            self._pay(data, checkout_id, [TenderKind.KITTY, TenderKind.PREPAID, TenderKind.CARD])
        else:
            self._submit(paying(checkout_id, tender(TenderKind.PREPAID, due)))

    @precondition(lambda self: len(self.world.by_subject) < 3)
    @rule(
        data=st.data(),
        sequence=st.integers(1, 2),
        due=st.lists(st.integers(1, 3000), min_size=1, max_size=3),
        coupon=st.sampled_from([0, 0, 50]),
        claimed=st.booleans(),
    )
    def open_checkout(
        self, data: st.DataObject, sequence: int, due: list[int], coupon: int, *, claimed: bool
    ) -> None:
        """A till opens a checkout, and mostly a phone reads it at once."""
        checkout_id = new_id()
        basket = a_basket(*due, coupon_minor=coupon, sequence=sequence)
        self._submit(opening(checkout_id, basket, now=self.world.now))
        if claimed or data.draw(st.booleans()):
            self._submit(claiming(checkout_id))

    @precondition(lambda self: len(self.world.by_subject) < 3)
    @rule(amount=st.integers(100, 50_000))
    def top_up(self, amount: int) -> None:
        """A shopper puts money on the prepaid balance."""
        self._submit(
            StartTopUp(
                event_id=new_id(),
                trace_parent="",
                top_up_id=new_id(),
                customer_id=SHOPPER,
                amount_minor=amount,
                currency_code="EUR",
                card=CARD,
                card_named=True,
            )
        )

    @precondition(lambda self: self._checkouts(CheckoutState.OPEN))
    @rule(
        data=st.data(),
        kinds=st.permutations([TenderKind.KITTY, TenderKind.PREPAID, TenderKind.CARD]),
    )
    def pay(self, data: st.DataObject, kinds: list[TenderKind]) -> None:
        """A phone pays with some means."""
        checkout = self._pick(data, self._checkouts(CheckoutState.OPEN))
        assert isinstance(checkout, Checkout)
        if checkout.customer_id is None:
            self._submit(claiming(checkout.checkout_id))
        self._pay(data, checkout.checkout_id, kinds)

    def _pay(self, data: st.DataObject, checkout_id: UUID, kinds: list[TenderKind]) -> None:
        due = self.world.checkout(checkout_id).basket.due_minor
        cuts = sorted(data.draw(st.tuples(st.integers(0, due), st.integers(0, due))))
        amounts = (cuts[0], cuts[1] - cuts[0], due - cuts[1])
        tenders = [tender(kind, amount) for kind, amount in zip(kinds, amounts, strict=True)]
        self._submit(paying(checkout_id, *tenders, now=self.world.now))

    @precondition(lambda self: self._checkouts(*CheckoutState))
    @rule(data=st.data(), by_shopper=st.booleans())
    def cancel(self, data: st.DataObject, *, by_shopper: bool) -> None:
        """Somebody gives a checkout up, at any time."""
        paying = self._checkouts(CheckoutState.PROCESSING)
        checkout = self._pick(data, paying or self._checkouts(*CheckoutState))
        self._submit(
            RequestCancellation(
                event_id=new_id(),
                trace_parent="",
                checkout_id=checkout.payment_id,
                customer_id=SHOPPER if by_shopper else None,
            )
        )

    @precondition(lambda self: self._checkouts(*REFUND_TRIED))
    @rule(data=st.data())
    def refund(self, data: st.DataObject) -> None:
        """A till gives a checkout back, or tries to."""
        checkout = self._pick(data, self._checkouts(*REFUND_TRIED))
        self._submit(
            StartRefund(
                event_id=new_id(),
                trace_parent="",
                checkout_id=checkout.payment_id,
                request_id=new_id(),
            )
        )

    @precondition(lambda self: self.commands)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """A caller repeats a command whose answer it did not hear: nothing new comes of it."""
        command = data.draw(st.sampled_from(self.commands))
        before = len(self.world.journal)
        verdict = self.world.submit(command)
        if isinstance(verdict, PaymentOutcome) and verdict.replayed:
            assert len(self.world.journal) == before
        assert not isinstance(verdict, RequestIdReused)

    @rule(seconds=st.sampled_from([1, 60, 1000, 8 * 86_400]))
    def wait(self, seconds: int) -> None:
        """Time passes; checkouts that nobody pays end."""
        self.world.now += timedelta(seconds=seconds)
        self.world.submit(ExpireCheckouts(event_id=new_id(), trace_parent="", limit=1))

    # Those who drive, and those who are asked.

    @rule(noes=st.sets(st.sampled_from(LegOperation), max_size=2))
    def change_minds(self, noes: set[LegOperation]) -> None:
        """From now on, those who are asked refuse other things."""
        self.noes = noes

    @precondition(lambda self: self._in_flight())
    @rule(data=st.data())
    def drive(self, data: st.DataObject) -> None:
        """A process makes the calls of one payment, and anything may happen to each."""
        payment = self._pick(data, self._in_flight())
        answers: list[Answer] = []
        for step in steps(payment, now=self.world.now):
            answers.extend(self._call(step, data.draw(faults)))
        self._record(payment.payment_id, answers)

    @precondition(lambda self: self._in_flight())
    @rule(data=st.data(), rounds=st.integers(1, 3))
    def drive_on(self, data: st.DataObject, rounds: int) -> None:
        """A process makes calls that all work, and goes on with what follows from the answers."""
        payment_id = self._pick(data, self._in_flight()).payment_id
        for _ in range(rounds):
            self._drive_once(payment_id)

    def _drive_once(self, payment_id: UUID) -> None:
        calls = steps(self.world.payment(payment_id), now=self.world.now)
        self._record(payment_id, [answer_of(step.leg, self._ask(step)) for step in calls])

    def _call(self, step: Step, fault: Fault) -> list[Answer]:
        leg = step.leg
        if fault is Fault.DELAYED and leg.kind is not TenderKind.CARD:
            fault = Fault.LOST  # A service drops a request whose deadline is over.
        match fault:
            case Fault.NOT_SENT:
                # Only a first call knows that nothing was sent before.
                return [answer_of(leg, UNKNOWN if self._was_sent(step) else NOT_SENT)]
            case Fault.LOST:
                self.sent.add(try_of(leg))
                return [answer_of(leg, UNKNOWN)]
            case Fault.DELAYED:
                self.sent.add(try_of(leg))
                self.delayed.append(leg)
                return [answer_of(leg, UNKNOWN)]
            case Fault.ANSWER_LOST:
                self._ask(step)
                return [answer_of(leg, UNKNOWN)]
            case Fault.LATE:
                late = answer_of(leg, self._ask(step))
                self.late.append(recording(step.payment_id, [late]))
                return []
            case Fault.TWICE:
                answer, again = answer_of(leg, self._ask(step)), answer_of(leg, self._ask(step))
                self.late.append(recording(step.payment_id, [again]))
                return [answer]
            case Fault.NONE:
                return [answer_of(leg, self._ask(step))]

    def _was_sent(self, step: Step) -> bool:
        """Tell whether a call was made before under this key, by this process or by one that died."""
        return step.probe or try_of(step.leg) in self.sent

    def _ask(self, step: Step) -> Said:
        probe_number = 0
        if self._was_sent(step):
            self.probes[step.leg.leg_id, step.leg.operation] += 1
            probe_number = self.probes[step.leg.leg_id, step.leg.operation]
        self.sent.add(try_of(step.leg))
        return self.clients.call(step, probe_number)

    def _record(self, payment_id: UUID, answers: list[Answer]) -> None:
        if answers:
            self.world.settle(recording(payment_id, answers))

    @precondition(lambda self: self.late or self.delayed)
    @rule(data=st.data(), answer=st.booleans())
    def arrive_late(self, data: st.DataObject, *, answer: bool) -> None:
        """An answer comes when it may no longer fit, or a request after its sender gave it up."""
        if self.late and (answer or not self.delayed):
            index = data.draw(st.integers(0, len(self.late) - 1))
            self.world.settle(self.late.pop(index))
        else:
            index = data.draw(st.integers(0, len(self.delayed) - 1))
            self.clients.provider.send(self.delayed.pop(index))

    @rule()
    def crash(self) -> None:
        """Every process dies: facts are all that is left, and what was SENDING may have been sent."""
        self.late.clear()
        self.probes.clear()

    # What always holds.

    def _checkouts(self, *states: CheckoutState) -> list[Payment]:
        return [
            payment
            for payment in self.world.payments()
            if isinstance(payment, Checkout) and payment.state in states
        ]

    def _in_flight(self) -> list[Payment]:
        return [payment for payment in self.world.payments() if payment.in_flight]

    def _intents(self, payment: Payment) -> list[Intent]:
        """Give what the provider has of a payment, of every attempt."""
        legs = {
            leg.leg_id
            for fact in self.world.by_subject[payment.payment_id]
            for leg in getattr(fact, "legs", ()) or [getattr(fact, "leg", None)]
            if leg is not None
        }
        return [intent for intent in self.clients.provider.intents if intent.leg_id in legs]

    @invariant()
    def never_more_than_asked(self) -> None:
        """At no time is more captured than was to be paid, or more refunded than was captured."""
        for payment in self.world.payments():
            asked = (
                payment.basket.due_minor if isinstance(payment, Checkout) else payment.amount_minor
            )
            intents = self._intents(payment)
            captured = sum(i.captured_minor for i in intents)
            assert captured <= asked
            assert all(i.refunded_minor <= i.captured_minor for i in intents)
            assert sum(i.state is IntentState.AUTHORIZED for i in intents) <= 1

    @invariant()
    def somebody_is_asked_while_in_flight(self) -> None:
        """A payment that is in flight has calls to be made, and one at rest has none."""
        for payment in self.world.payments():
            assert payment.in_flight == bool(steps(payment, now=self.world.now))

    def teardown(self) -> None:
        """Let everything work again: each payment ends, and what it ended as is true everywhere."""
        self.noes.discard(LegOperation.VOID)
        for _ in range(ROUNDS_MAX):
            in_flight = self._in_flight()
            if not in_flight:
                break
            for payment in in_flight:
                self._drive_once(payment.payment_id)
        assert not self._in_flight()
        for late in self.late:
            self.world.settle(late)
        for leg in self.delayed:
            self.clients.provider.send(leg)
        for payment in self.world.payments():
            self._check_end(payment)

    def _check_end(self, payment: Payment) -> None:
        facts = self.world.by_subject[payment.payment_id]
        intents = self._intents(payment)
        charged = sum(i.captured_minor - i.refunded_minor for i in intents)
        assert not any(i.state is IntentState.AUTHORIZED for i in intents), "nothing stays reserved"
        held = self._held_legs(payment)
        for fact in facts:
            if isinstance(fact, LegSent) and fact.operation is LegOperation.CAPTURE and held:
                assert isinstance(payment, Checkout)
                assert payment.give_up_time is not None
                assert fact.stamp.occur_time < payment.give_up_time, "holds outlast the card"
        settled = sum(isinstance(fact, CheckoutSettled | TopUpSettled) for fact in facts)
        refunded = sum(isinstance(fact, CheckoutRefunded) for fact in facts)
        if payment.state in (CheckoutState.SETTLED, TopUpState.SETTLED):
            card = [leg.amount_minor for leg in payment.legs if leg.kind is TenderKind.CARD]
            assert (settled, refunded) == (1, 0)
            assert charged == sum(card)
            assert held == stored_legs(payment)
        elif payment.state is CheckoutState.REFUNDED:
            assert (settled, refunded) == (1, 1)
            assert charged == 0
            assert held == stored_legs(payment)
        else:
            assert (settled, refunded) == (0, 0)
            assert charged == 0
            assert held == {}

    def _held_legs(self, payment: Payment) -> dict[UUID, int]:
        mine = {
            leg.leg_id
            for fact in self.world.by_subject[payment.payment_id]
            for leg in getattr(fact, "legs", ())
        }
        return {
            leg_id: amount
            for leg_id, (amount, state) in self.clients.holds.holds.items()
            if leg_id in mine and state is HoldState.HELD
        }


TestPhones = Phones.TestCase

TestPhones.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
