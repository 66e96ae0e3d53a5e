"""Those whom the wallet asks, in memory: a provider with idempotency keys, and keepers of holds.

Each call has two halves, the request and its answer; a fault loses one of them, or lets it come late.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from uuid import UUID

from services.wallet.domain.ladder import Rung, rung
from services.wallet.domain.leg import Decline, Leg, LegOperation, LegPhase
from services.wallet.domain.step import Step, StepKind


class Reply(Enum):
    """What a provider says to a request."""

    OK = "ok"
    NO = "no"
    OTHER_CONTENT = "the key was used with other content"


class IntentState(Enum):
    """Where a payment stands at the provider."""

    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    CANCELED = "canceled"
    DECLINED = "declined"
    HARMLESS = "never confirmed"


@dataclass
class Intent:
    """A payment at the provider."""

    leg_id: UUID
    amount_minor: int
    state: IntentState
    captured_minor: int = 0
    refunded_minor: int = 0


@dataclass
class Provider:
    """A provider with Stripe's rules for keys: the first execution answers every repetition."""

    approves: Callable[[LegOperation], bool]
    intents: list[Intent] = field(default_factory=list)
    keys: dict[str, tuple[str, Reply]] = field(default_factory=dict)

    def send(self, leg: Leg, *, harmless: bool = False) -> Reply:
        """Execute a request, or repeat what the first one under its key answered."""
        key = f"{leg.leg_id}:{leg.operation}:{leg.try_number}"
        content = f"{leg.amount_minor}:{harmless}"
        if key in self.keys:
            known, reply = self.keys[key]
            return reply if known == content else Reply.OTHER_CONTENT
        reply = self._execute(leg, harmless=harmless)
        self.keys[key] = (content, reply)
        return reply

    def find(self, leg_id: UUID) -> Intent | None:
        """Look a leg's payment up; burnt keys leave none."""
        found = [
            i for i in self.intents if i.leg_id == leg_id and i.state is not IntentState.HARMLESS
        ]
        assert len(found) <= 1, "one leg is one payment"
        return found[0] if found else None

    def _execute(self, leg: Leg, *, harmless: bool) -> Reply:
        if leg.operation is LegOperation.AUTHORIZE:
            return self._authorize(leg, harmless=harmless)
        intent = self.find(leg.leg_id)
        assert intent is not None, "nothing is asked for a payment that does not exist"
        match leg.operation:
            case LegOperation.CAPTURE if intent.state is IntentState.AUTHORIZED:
                return self._capture(intent)
            case LegOperation.VOID if intent.state is IntentState.AUTHORIZED:
                intent.state = IntentState.CANCELED
                return Reply.OK
            case LegOperation.REFUND if intent.state is IntentState.CAPTURED:
                return self._refund(intent, leg.amount_minor)
            case _:
                return Reply.NO

    def _authorize(self, leg: Leg, *, harmless: bool) -> Reply:
        state = IntentState.HARMLESS
        if not harmless:
            approved = self.approves(LegOperation.AUTHORIZE)
            state = IntentState.AUTHORIZED if approved else IntentState.DECLINED
        self.intents.append(Intent(leg.leg_id, leg.amount_minor, state))
        return Reply.NO if state is IntentState.DECLINED else Reply.OK

    def _capture(self, intent: Intent) -> Reply:
        if not self.approves(LegOperation.CAPTURE):
            intent.state = IntentState.CANCELED
            return Reply.NO
        intent.state = IntentState.CAPTURED
        intent.captured_minor += intent.amount_minor
        return Reply.OK

    def _refund(self, intent: Intent, amount_minor: int) -> Reply:
        if intent.refunded_minor or not self.approves(LegOperation.REFUND):
            return Reply.NO
        intent.refunded_minor += amount_minor
        return Reply.OK


class HoldState(Enum):
    """Where a hold stands."""

    HELD = "held"
    RELEASED = "released"


@dataclass
class Holds:
    """A keeper of stored value; the id of a hold is its key."""

    approves: Callable[[LegOperation], bool]
    holds: dict[UUID, tuple[int, HoldState]] = field(default_factory=dict)

    def send(self, leg: Leg) -> Reply:
        """Hold or release, or repeat what that came to."""
        known = self.holds.get(leg.leg_id)
        if leg.operation is LegOperation.HOLD:
            if known is None:
                if not self.approves(LegOperation.HOLD):
                    return Reply.NO
                self.holds[leg.leg_id] = (leg.amount_minor, HoldState.HELD)
            return Reply.OK
        if known is not None:
            self.holds[leg.leg_id] = (known[0], HoldState.RELEASED)
        return Reply.OK


@dataclass(frozen=True)
class Said:
    """An answer as a client classifies it."""

    phase: LegPhase
    decline: Decline | None = None
    reference: str = ""


DONE = Said(LegPhase.DONE)
DECLINED = Said(LegPhase.DECLINED, Decline("card_declined"))
NOT_SENT = Said(LegPhase.NOT_SENT)
UNKNOWN = Said(LegPhase.OUTCOME_UNKNOWN)


@dataclass
class Clients:
    """How the wallet's clients talk to them: first calls, and the ways to find an outcome out."""

    provider: Provider
    holds: Holds

    def call(self, step: Step, probe_number: int) -> Said:
        """Make the call of a step; ``probe_number`` is 0 for a first call."""
        if step.kind in (
            StepKind.HOLD_VALUE,
            StepKind.HOLD_MONEY,
            StepKind.RELEASE_VALUE,
            StepKind.RELEASE_MONEY,
        ):
            return DONE if self.holds.send(step.leg) is Reply.OK else DECLINED
        if step.kind is StepKind.AUTHORIZE:
            return self._authorize(step, probe_number)
        return self._find_out(step) if probe_number else self._send(step.leg)

    def _send(self, leg: Leg, *, harmless: bool = False) -> Said:
        match self.provider.send(leg, harmless=harmless):
            case Reply.OK:
                return Said(LegPhase.DONE, reference=f"pi_{leg.leg_id}")
            case Reply.NO:
                return DECLINED
            case Reply.OTHER_CONTENT:
                return UNKNOWN

    def _authorize(self, step: Step, probe_number: int) -> Said:
        leg = step.leg
        if probe_number == 0:
            return self._send(leg) if step.wanted else UNKNOWN
        match rung(probe_number, wanted=step.wanted):
            case Rung.RETRY:
                found = self._look_up(leg)
                return found if found is not UNKNOWN else self._send(leg)
            case Rung.LOOK_UP:
                return self._look_up(leg)
            case Rung.BURN:
                burnt = self._send(leg, harmless=True)
                return NOT_SENT if burnt.phase is LegPhase.DONE else self._look_up(leg)

    def _look_up(self, leg: Leg) -> Said:
        intent = self.provider.find(leg.leg_id)
        if intent is None:
            return UNKNOWN
        if intent.state is IntentState.AUTHORIZED:
            return Said(LegPhase.DONE, reference=f"pi_{leg.leg_id}")
        return DECLINED

    def _find_out(self, step: Step) -> Said:
        """Look whether it happened; send the same again as long as it did not."""
        leg = step.leg
        intent = self.provider.find(leg.leg_id)
        assert intent is not None, "nothing is asked for a payment that does not exist"
        match step.kind, intent.state:
            case StepKind.CAPTURE, IntentState.CAPTURED:
                return DONE
            case StepKind.CANCEL_CARD, IntentState.CANCELED:
                return DONE
            case StepKind.CAPTURE, IntentState.CANCELED:
                return DECLINED
            case StepKind.REFUND_CARD, _ if intent.refunded_minor:
                return Said(LegPhase.DONE, reference=f"re_{leg.leg_id}")
            case _:
                return self._send(leg)
