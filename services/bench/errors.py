"""What a benchmark cannot do."""


class BenchError(Exception):
    """A benchmark that cannot be run or trusted; the message says why."""
