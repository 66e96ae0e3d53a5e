"""What came of asking somebody to do something for a leg."""

from dataclasses import dataclass
from typing import Final

from services.wallet.domain.leg import Decline, LegPhase

_CODE_LENGTH_MAX: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAnswer:
    """The outcome of one call, classified; clients never raise for what happens on the way.

    ``phase`` is DONE, DECLINED (a no, for good), NOT_SENT (known not to have happened, and
    not to happen later) or OUTCOME_UNKNOWN (it may have happened, or may yet). ``cause``
    is a word for the log alone: what led to the phase, never a person's data or a secret.
    """

    phase: LegPhase
    provider_reference: str = ""
    """The provider's name of the payment or of the refund, where the answer tells it."""
    decline: Decline | None = None
    """Why it was declined; present exactly when it was."""
    cause: str = ""

    def __post_init__(self) -> None:
        """Refuse what no answer can be."""
        assert (self.decline is not None) == (self.phase is LegPhase.DECLINED)
        assert self.phase not in (LegPhase.UNSPECIFIED, LegPhase.SENDING)


def done(reference: str = "", *, cause: str = "") -> CallAnswer:
    """It happened."""
    return CallAnswer(phase=LegPhase.DONE, provider_reference=reference, cause=cause)


def declined(code: str, *, issuer_code: str = "", reference: str = "") -> CallAnswer:
    """It was refused for good, as ``code`` says."""
    decline = Decline(code=code[:_CODE_LENGTH_MAX], issuer_code=issuer_code[:_CODE_LENGTH_MAX])
    return CallAnswer(
        phase=LegPhase.DECLINED, provider_reference=reference, decline=decline, cause=code
    )


def not_sent(cause: str, *, reference: str = "") -> CallAnswer:
    """It did not happen and will not."""
    return CallAnswer(phase=LegPhase.NOT_SENT, provider_reference=reference, cause=cause)


def unknown(cause: str, *, reference: str = "") -> CallAnswer:
    """It may have happened, or may yet."""
    return CallAnswer(phase=LegPhase.OUTCOME_UNKNOWN, provider_reference=reference, cause=cause)
