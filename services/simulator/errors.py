"""What can stop a replay; every message says what to do or where it stopped."""


class ReplayError(Exception):
    """The replay could not be finished. Running it again is safe: every command keeps its key."""


class ClockNotSimulatedError(ReplayError):
    """A service runs on the machine's clock, so an old year cannot be replayed into it."""


class ServiceRefusedError(ReplayError):
    """A service refused a command of the replay, which sends valid ones only.

    ``reason`` is that of the service's error, empty when it gave none.
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        """Take what to tell, and why the service refused."""
        super().__init__(message)
        self.reason = reason


class ServiceUnavailableError(ReplayError):
    """A service did not answer although the call was repeated with patience."""


class BooksBehindError(ReplayError):
    """The ledger did not catch up with the tickets within the bound."""


class PointsBehindError(ReplayError):
    """The points service did not follow a settled or refunded checkout within the bound."""


class ProviderRefusedError(ReplayError):
    """The payment provider refused what a phone asked it for, or did not answer."""


class DatasetMissingError(ReplayError):
    """The data's package or one of its files is not installed."""


class DatasetUnreadableError(ReplayError):
    """The data breaks a promise that the replay builds on (order, one second a basket)."""
