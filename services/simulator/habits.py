"""Who pays by phone and how: the habits of households, and the fate of single baskets.

Everything here is a pure function of a seed, so that a second replay has the same shoppers with the same cards.
The cards are test cards of the sandbox provider; ``docs/provider.md`` says what each of them does.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

from cagnotte.wallet.v1 import wallet_pb2
from services.simulator.draws import PERCENT, TEN_THOUSAND, draw

GOOD_CARDS: Final = ("pm_card_visa", "pm_card_mastercard")
"""What households pay with unless something is to go wrong."""

CARD_MINOR_MIN: Final = 50
"""Providers refuse smaller payments by card (Stripe: 0.50 EUR)."""

_KITTY_PERCENT: Final = 70
_POINTS_PERCENT: Final = 15
_PREPAID_PERCENT: Final = 20
_RETURNED_SHARE: Final = 150
_RETURN_DAYS_MAX: Final = 6


class Fate(Enum):
    """What happens to a basket that is to be paid by phone."""

    PAYS = "pays"
    SECOND_CARD = "declined, then paid with another card"
    NO_FUNDS = "declined for lack of funds, then paid in cash"
    NO_SIGNATURE = "declined since the bank wants to see the shopper, then paid in cash"
    CHANGES_MIND = "cancelled by the shopper, then paid in cash"
    TILL_CANCELS = "cancelled by the till, then paid in cash"
    ABANDONS = "left at a self-checkout until it expires, then paid at a staffed till"
    HANGS = "the provider commits and never answers"
    NEVER_ARRIVES = "the connection breaks before the provider commits"
    LOSES_ANSWER = "the connection breaks after the provider has committed"
    LIES = "the provider commits and answers 500"
    CAPTURE_HANGS = "the provider captures and never answers"
    TOLD_TWICE = "the provider's webhooks come twice"
    TOLD_IN_DISORDER = "the provider's webhooks come in disorder"
    NEVER_TOLD = "the provider's webhooks never come"


_SHARES: Final[Mapping[Fate, int]] = MappingProxyType(
    {
        Fate.SECOND_CARD: 200,
        Fate.NO_FUNDS: 80,
        Fate.NO_SIGNATURE: 20,
        Fate.CHANGES_MIND: 60,
        Fate.TILL_CANCELS: 40,
        Fate.ABANDONS: 60,
        Fate.HANGS: 20,
        Fate.NEVER_ARRIVES: 20,
        Fate.LOSES_ANSWER: 20,
        Fate.LIES: 20,
        Fate.CAPTURE_HANGS: 10,
        Fate.TOLD_TWICE: 20,
        Fate.TOLD_IN_DISORDER: 20,
        Fate.NEVER_TOLD: 20,
    }
)
"""Of ten thousand baskets that are paid by phone; all others just pay."""

CARDS: Final[Mapping[Fate, str]] = MappingProxyType(
    {
        Fate.SECOND_CARD: "pm_card_chargeDeclined",
        Fate.NO_FUNDS: "pm_card_chargeDeclinedInsufficientFunds",
        Fate.NO_SIGNATURE: "pm_card_authenticationRequired",
        Fate.HANGS: "pm_card_hang",
        Fate.NEVER_ARRIVES: "pm_card_dropBeforeCommit",
        Fate.LOSES_ANSWER: "pm_card_dropAfterCommit",
        Fate.LIES: "pm_card_error500AfterCommit",
        Fate.CAPTURE_HANGS: "pm_card_captureHang",
        Fate.TOLD_TWICE: "pm_card_webhookTwice",
        Fate.TOLD_IN_DISORDER: "pm_card_webhookReordered",
        Fate.NEVER_TOLD: "pm_card_webhookMissing",
    }
)
"""The card of a basket to which something happens; where nothing does, it is the household's own."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How a household pays: ``loyalty`` is None for one that saves up for ever."""

    loyalty: wallet_pb2.TenderKind.ValueType | None
    holds_prepaid: bool
    card: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhonePlan:
    """Which baskets are paid by phone, and what happens to them.

    ``percent`` is the share of all baskets. Only tills with a network take phones, so that households with a phone are
    so many more; they use it whenever they can.
    """

    seed: int
    percent: int
    offline_percent: int

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 0 <= self.percent <= PERCENT:
            raise ValueError(f"A share of {self.percent} % is not between 0 and 100.")

    def has_phone(self, household_id: int) -> bool:
        """Tell whether a household pays by phone where it can."""
        online = PERCENT - self.offline_percent
        return draw(self.seed, "phone", household_id) % (PERCENT * online) < self.percent * PERCENT

    def habit(self, household_id: int) -> Habit:
        """Give how a household with a phone pays."""
        drawn = draw(self.seed, "habit", household_id)
        taste, drawn = drawn % PERCENT, drawn // PERCENT
        loyalty = None
        if taste < _KITTY_PERCENT:
            loyalty = wallet_pb2.TENDER_KIND_KITTY
        elif taste < _KITTY_PERCENT + _POINTS_PERCENT:
            loyalty = wallet_pb2.TENDER_KIND_POINTS
        prepaid, drawn = drawn % PERCENT < _PREPAID_PERCENT, drawn // PERCENT
        return Habit(loyalty, prepaid, GOOD_CARDS[drawn % len(GOOD_CARDS)])

    def fate(self, basket_id: int) -> Fate:
        """Give what happens to a basket that is to be paid by phone."""
        drawn = draw(self.seed, "fate", basket_id) % TEN_THOUSAND
        for fate, share in _SHARES.items():
            if drawn < share:
                return fate
            drawn -= share
        return Fate.PAYS

    def days_until_return(self, basket_id: int) -> int | None:
        """Give after how many days the whole basket is brought back; None when it is kept."""
        drawn = draw(self.seed, "return", basket_id)
        if drawn % TEN_THOUSAND >= _RETURNED_SHARE:
            return None
        return 1 + drawn // TEN_THOUSAND % _RETURN_DAYS_MAX
