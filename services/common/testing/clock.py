"""A clock that the test moves."""

from datetime import datetime, timedelta

from services.common.kernel.clock import SimulatedClock


class ManualClock(SimulatedClock):
    """Stands still until the test moves it, forwards only."""

    def advance(self, *, seconds: float) -> datetime:
        """Move forwards by some seconds and give the new instant."""
        self.move_to(self() + timedelta(seconds=seconds))
        return self()
