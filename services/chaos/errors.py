"""What can go wrong with chaos itself."""


class ChaosError(Exception):
    """The experiment could not be made or finished; the message says what to do next."""
