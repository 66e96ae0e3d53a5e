"""The ladder: what each probe does, and when."""

from services.wallet.domain.ladder import Rung, delay_seconds, rung


class TestRung:
    def test_retries_looks_and_burns_in_turn(self) -> None:
        """While the success is wanted, the quickest way to know comes first, and all come round."""
        rungs = [rung(number, wanted=True) for number in range(1, 7)]
        assert rungs == [Rung.RETRY, Rung.LOOK_UP, Rung.BURN] * 2

    def test_never_sends_again_what_is_not_wanted(self) -> None:
        """A retry could bring about what nobody wants any more."""
        rungs = [rung(number, wanted=False) for number in range(1, 5)]
        assert rungs == [Rung.LOOK_UP, Rung.BURN] * 2


class TestDelaySeconds:
    def test_doubles_up_to_five_minutes(self) -> None:
        """Probes begin after a second and never stop."""
        assert [delay_seconds(number) for number in (1, 2, 3, 9, 10, 11, 10**6)] == [
            1,
            2,
            4,
            256,
            300,
            300,
            300,
        ]
