"""Rounds: every workload once, then all again, so that no figure owns the quiet minutes of a machine."""

import gc
from collections.abc import Sequence
from typing import Protocol

from rich.console import Console

from services.bench.figures import Figures
from services.bench.pace import Pace


class Workload(Protocol):
    """One thing to measure."""

    @property
    def title(self) -> str:
        """What a person reads while it runs."""
        ...

    async def run(self, figures: Figures, *, seconds: float) -> None:
        """Measure for about so many seconds and note the figures; what it caused is over when it returns."""
        ...


async def run_rounds(
    workloads: Sequence[Workload], figures: Figures, *, pace: Pace, console: Console
) -> None:
    """Run all workloads in turn, round after round."""
    for number in range(1, pace.rounds + 1):
        for workload in workloads:
            _spare_the_collector()
            console.print(f"round {number} of {pace.rounds}: {workload.title}", highlight=False)
            await workload.run(figures, seconds=pace.seconds)


def _spare_the_collector() -> None:
    """Keep the load generator's own pauses out of what it measures.

    A look for cycles through all that it has made takes up to 90 ms, in which no call is sent and no answer read.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
