"""What can go wrong with the embedded stack; every message says what to do next."""


class StackError(Exception):
    """A failure that its reader can act on: the message names the cause and the next step."""
