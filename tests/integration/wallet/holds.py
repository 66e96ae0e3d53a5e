"""Points and ledger as far as the wallet calls them: holds that outlive the wallet."""

from dataclasses import dataclass, field
from uuid import UUID

from services.wallet.clients.answer import CallAnswer, declined, done, unknown
from services.wallet.clients.stored_value import MoneyHold, ValueBalances, ValueHold
from services.wallet.domain.tender import TenderKind


@dataclass(slots=True)
class Hold:
    """One hold, as its service keeps it."""

    kind: TenderKind
    quantity: int
    open: bool = True


@dataclass(slots=True)
class Purse:
    """What one shopper has, and who was asked for it."""

    available: dict[TenderKind, int]
    holds: dict[UUID, Hold] = field(default_factory=dict)
    failures: int = 0
    """How many of the next calls get no answer, after having been obeyed."""
    stolen: TenderKind | None = None
    """What somebody else takes between the plan and the hold."""
    asked: int = 0
    in_doubt: bool = False
    """How often somebody wanted to know what there is."""
    outdated: dict[TenderKind, int] | None = None
    """What the next one who asks is told: that which was there before something happened."""

    def open_holds(self) -> list[Hold]:
        """Give the holds that are neither released nor spent."""
        return [hold for hold in self.holds.values() if hold.open]

    def tell(self) -> dict[TenderKind, int]:
        """Tell what there is, or once what there was."""
        self.asked += 1
        told, self.outdated = self.outdated or self.available, None
        return told

    def hold(self, leg_id: UUID, kind: TenderKind, quantity: int) -> CallAnswer:
        """Hold a quantity, once under each id."""
        if leg_id not in self.holds:
            if kind is self.stolen or self.available[kind] < quantity:
                return declined("VALUE_INSUFFICIENT")
            self.available[kind] -= quantity
            self.holds[leg_id] = Hold(kind, quantity)
        return self._answer()

    def release(self, leg_id: UUID) -> CallAnswer:
        """Give a hold back, once."""
        hold = self.holds[leg_id]
        if hold.open:
            hold.open = False
            self.available[hold.kind] += hold.quantity
        return self._answer()

    def _answer(self) -> CallAnswer:
        if self.failures:
            self.failures -= 1
            return unknown("no_answer")
        return done()


class Values:
    """A ``ValueHolds``."""

    def __init__(self, purse: Purse) -> None:
        """Take the shopper's purse."""
        self._purse = purse

    @property
    def in_doubt(self) -> bool:
        """Tell whether the last answer was lost."""
        return self._purse.in_doubt

    async def hold(self, command: ValueHold) -> CallAnswer:
        """Hold points or kitty."""
        kind = TenderKind.KITTY if command.amount.currency.name == "KITTY" else TenderKind.POINTS
        return self._purse.hold(command.leg_id, kind, command.amount.quantity)

    async def release(self, leg_id: UUID) -> CallAnswer:
        """Release a hold."""
        return self._purse.release(leg_id)

    async def balances(self, customer_id: UUID) -> ValueBalances:
        """Tell what there is."""
        del customer_id
        available = self._purse.tell()
        return ValueBalances(
            points=available[TenderKind.POINTS], kitty_minor=available[TenderKind.KITTY]
        )


class Moneys:
    """A ``MoneyHolds``."""

    def __init__(self, purse: Purse) -> None:
        """Take the shopper's purse."""
        self._purse = purse

    @property
    def in_doubt(self) -> bool:
        """Tell whether the last answer was lost."""
        return self._purse.in_doubt

    async def hold(self, command: MoneyHold) -> CallAnswer:
        """Hold prepaid money."""
        return self._purse.hold(command.leg_id, TenderKind.PREPAID, command.amount_minor)

    async def release(self, leg_id: UUID, *, payment_id: UUID) -> CallAnswer:
        """Release a hold."""
        del payment_id
        return self._purse.release(leg_id)

    async def prepaid_minor(self, customer_id: UUID) -> int:
        """Tell what there is."""
        del customer_id
        return self._purse.tell()[TenderKind.PREPAID]
