"""Who is killed when: decided by a seed, so that an experiment can be made again."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

PARTS: Final = ("ledger", "points", "wallet", "postgres", "kafka", "provider")
"""Every part of the stack is killed; the one that watches over them is not."""

PAUSE_SECONDS_MIN: Final = 0.2
PAUSE_SECONDS_MAX: Final = 4.0
_PAIR_EVERY: Final = 4


@dataclass(frozen=True, slots=True)
class Kill:
    """One round: some parts die at the same moment."""

    round_number: int
    """Counts from 1."""
    parts: tuple[str, ...]
    pause_seconds: float
    """How long everything works before it, once the last round's dead answer again."""


def plan_kills(*, rounds: int, seed: int) -> list[Kill]:
    """Return the rounds: every part in turn, in an order that changes; in each fourth round two at once."""
    draw = random.Random(seed)  # noqa: S311 -- an experiment, not a secret
    deck = _deck(draw)
    kills = []
    for number in range(1, rounds + 1):
        first = next(deck)
        parts = [first]
        if number % _PAIR_EVERY == 0:
            parts.append(draw.choice([part for part in PARTS if part != first]))
        pause = draw.uniform(PAUSE_SECONDS_MIN, PAUSE_SECONDS_MAX)
        kills.append(Kill(number, tuple(parts), round(pause, 3)))
    return kills


def _deck(draw: random.Random) -> Iterator[str]:
    while True:
        yield from draw.sample(PARTS, len(PARTS))
