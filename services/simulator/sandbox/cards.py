"""The test cards: which numbers and tokens there are, and how each behaves.

The first ones are Stripe's own, with the same outcomes. The others are ours and each has one fault: its token is
``pm_card_`` and the fault's name where it strikes at the authorization, ``pm_card_captureHang`` and the like where it
strikes later.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Stage(StrEnum):
    """The operation on a payment at which a fault strikes."""

    AUTHORIZE = "authorize"
    CAPTURE = "capture"
    CANCEL = "cancel"
    REFUND = "refund"


class Fault(StrEnum):
    """What goes wrong, once for each payment and stage."""

    HANG = "hang"
    """The operation is done, the answer never comes."""
    HANG_BEFORE_COMMIT = "hangBeforeCommit"
    """Nothing is done, and no answer comes."""
    DROP_AFTER_COMMIT = "dropAfterCommit"
    """The operation is done, and the connection closes without an answer."""
    DROP_BEFORE_COMMIT = "dropBeforeCommit"
    """Nothing is done, and the connection closes without an answer."""
    ERROR_500_AFTER_COMMIT = "error500AfterCommit"
    """The operation is done; the answer is a 500, which stays the answer under this key."""
    ERROR_500_BEFORE_COMMIT = "error500BeforeCommit"
    """Nothing is done; the answer is a 500, which stays the answer under this key."""
    LATE = "late"
    """No answer comes, and the operation is done only long after the caller has given up."""
    SLOW = "slow"
    """The operation takes longer than a till waits."""
    TOO_MANY_REQUESTS = "tooManyRequests"
    """429: nothing is done, nothing is kept under the key."""
    EXPIRED = "expired"
    """A capture comes too late: the bank has given the reserved amount free, and the payment is canceled."""


class Notices(StrEnum):
    """How the webhooks of a card's payments arrive."""

    PROMPT = "prompt"
    TWICE = "twice"
    REORDERED = "reordered"
    """The news of the authorization comes after the news of the capture."""
    LATE = "late"
    BADLY_SIGNED = "badlySigned"
    """A copy with a wrong signature comes first."""
    MISSING = "missing"
    """None comes: only the list of events tells."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a bank declines, as the error's ``code`` and ``decline_code``."""

    code: str
    decline_code: str
    message: str = "Your card was declined."


AUTHENTICATION_REQUIRED: Final = Refusal(
    "authentication_required",
    "authentication_required",
    "Your card was declined. This transaction requires authentication.",
)
GENERIC_DECLINE: Final = Refusal("card_declined", "generic_decline")


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One test card."""

    name: str
    """``pm_card_...``: a payment method made of this card wherever one is named."""
    number: str
    """Told only here and in docs/provider.md: nothing else ever holds it."""
    brand: str = "visa"
    decline: Refusal | None = None
    """What the bank answers to every authorization."""
    enrolment_decline: Refusal | None = None
    """What the bank answers when the card is to be kept for later."""
    asks_authentication: bool = False
    faults: Mapping[Stage, Fault] = field(default_factory=dict)
    notices: Notices = Notices.PROMPT


def _declining(token: str, number: str, decline_code: str, code: str = "card_declined") -> Card:
    return Card(name=f"pm_card_{token}", number=number, decline=Refusal(code, decline_code))


def _usual_cards() -> Iterator[Card]:
    yield Card(name="pm_card_visa", number="4242424242424242")
    yield Card(name="pm_card_visa_cartesBancaires", number="4000002500001001")
    yield Card(name="pm_card_mastercard", number="5555555555554444", brand="mastercard")
    yield Card(
        name="pm_card_authenticationRequired", number="4000002760003184", asks_authentication=True
    )
    yield _declining("chargeDeclined", "4000000000000002", "generic_decline")
    yield _declining("chargeCustomerFail", "4000000000000341", "generic_decline")
    yield _declining("chargeDeclinedInsufficientFunds", "4000000000009995", "insufficient_funds")
    yield _declining("chargeDeclinedLostCard", "4000000000009987", "lost_card")
    yield _declining("chargeDeclinedStolenCard", "4000000000009979", "stolen_card")
    yield _declining(
        "chargeDeclinedExpiredCard", "4000000000000069", "expired_card", "expired_card"
    )
    yield _declining(
        "chargeDeclinedIncorrectCvc", "4000000000000127", "incorrect_cvc", "incorrect_cvc"
    )
    yield _declining(
        "chargeDeclinedProcessingError", "4000000000000119", "processing_error", "processing_error"
    )
    yield Card(
        name="pm_card_setupDeclined",
        number=_own_number(1),
        enrolment_decline=GENERIC_DECLINE,
        decline=GENERIC_DECLINE,
    )


def _faulty_cards() -> Iterator[Card]:
    for at, stage in enumerate(Stage, start=1):
        for fault_at, fault in enumerate(Fault, start=1):
            if fault is Fault.EXPIRED and stage is not Stage.CAPTURE:
                continue
            name = fault.value if stage is Stage.AUTHORIZE else f"{stage}{_capital(fault)}"
            yield Card(
                name=f"pm_card_{name}",
                number=_own_number(at * 100 + fault_at),
                faults={stage: fault},
            )


def _noticed_cards() -> Iterator[Card]:
    for at, notices in enumerate(Notices, start=500):
        if notices is not Notices.PROMPT:
            name = f"pm_card_webhook{_capital(notices)}"
            yield Card(name=name, number=_own_number(at), notices=notices)


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


def _own_number(serial: int) -> str:
    """Return the number of one of our cards: 4000 0990 0000, three digits of its own, the check digit."""
    digits = f"400009900000{serial:03d}"
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - place % 2)
        total += value // 10 + value % 10
    return f"{digits}{-total % 10}"


CARDS: Final = (*_usual_cards(), *_faulty_cards(), *_noticed_cards())
"""Every test card."""

_BY_NAME: Final = {card.name: card for card in CARDS}
_BY_NUMBER: Final = {card.number: card for card in CARDS}


def card_of_token(token: str) -> Card | None:
    """Return the card of a ``pm_card_...`` (or ``tok_...``, the same with the other prefix), or None."""
    if token.startswith("tok_"):
        token = f"pm_card_{token.removeprefix('tok_')}"
    return _BY_NAME.get(token)


def card_of_number(number: str) -> Card | None:
    """Return the test card of a number, or None: any other number is none of ours, and perhaps somebody's."""
    return _BY_NUMBER.get(number)
