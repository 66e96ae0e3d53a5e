"""How long and how often is measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Effort(Protocol):
    """What a run was given to do, as its report tells it."""

    def to_json(self) -> Mapping[str, object]:
        """Give the numbers by name."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """The measured time of each workload in each round, and the number of rounds."""

    seconds: float
    rounds: int

    def to_json(self) -> Mapping[str, object]:
        """Give the numbers by name."""
        return {"rounds": self.rounds, "seconds": self.seconds}
