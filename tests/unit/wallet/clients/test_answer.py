"""Answers of calls: what they can say, and what they cannot."""

import pytest

from services.wallet.clients.answer import CallAnswer, declined, done, not_sent, unknown
from services.wallet.domain.leg import Decline, LegPhase


class TestCallAnswer:
    def test_says_one_of_four_things(self) -> None:
        """Done, declined, not sent, unknown."""
        answers = [done("pi_1"), declined("card_declined"), not_sent("refused"), unknown("timeout")]

        assert [answer.phase for answer in answers] == [
            LegPhase.DONE,
            LegPhase.DECLINED,
            LegPhase.NOT_SENT,
            LegPhase.OUTCOME_UNKNOWN,
        ]

    def test_a_decline_and_its_reason_come_together(self) -> None:
        """A decline without a reason, or a reason without a decline, is a bug."""
        with pytest.raises(AssertionError):
            CallAnswer(phase=LegPhase.DECLINED)
        with pytest.raises(AssertionError):
            CallAnswer(phase=LegPhase.DONE, decline=Decline("card_declined"))

    @pytest.mark.parametrize("phase", [LegPhase.UNSPECIFIED, LegPhase.SENDING])
    def test_is_never_before_the_call(self, phase: LegPhase) -> None:
        """What has not been asked has no answer."""
        with pytest.raises(AssertionError):
            CallAnswer(phase=phase)

    def test_codes_fit_the_protos(self) -> None:
        """A reason longer than the contract allows is cut."""
        answer = declined("x" * 200, issuer_code="y" * 200)

        assert answer.decline == Decline("x" * 100, "y" * 100)
