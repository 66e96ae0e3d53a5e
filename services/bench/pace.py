"""How long and how often is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """The measured time of each workload in each round, and the number of rounds."""

    seconds: float
    rounds: int
