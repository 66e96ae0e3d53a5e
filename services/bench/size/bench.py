"""``cagnotte bench size``: the same transfers and tickets on a small and on a large stack, in turn."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from services.bench.figures import BenchReport, Figures
from services.bench.size.plan import Size
from services.bench.size.side import TICKETS, TRANSFERS, Side, Work, open_side
from services.bench.size.tickets import SizedTickets
from services.bench.stack import BenchStack
from services.bench.transfers import BATCH, TransferMaker

_BATCHES: Final = 24
_UPLOADS: Final = 6
_UPLOAD: Final = 500
_TURN: Final = 3
"""Requests of one side before it is the other's turn: one for each caller."""

_TRANSFERS: Final = _BATCHES * BATCH
_POSTINGS: Final = 2 * _TRANSFERS
_TICKETS: Final = _UPLOADS * _UPLOAD


@dataclass(frozen=True, slots=True)
class Amount:
    """What each stack gets to do in a round, and how many rounds there are."""

    rounds: int
    transfers: int = _TRANSFERS
    tickets: int = _TICKETS

    def to_json(self) -> Mapping[str, object]:
        """Give the numbers by name."""
        return {"rounds": self.rounds, "transfers": self.transfers, "tickets": self.tickets}


async def measure(
    stacks: Sequence[tuple[Size, BenchStack]], *, rounds: int, console: Console
) -> BenchReport:
    """Measure a small and a large stack, in this order, and give the report."""
    figures = Figures()
    async with AsyncExitStack() as resources:
        sides = [await resources.enter_async_context(open_side(*stack)) for stack in stacks]
        for side in sides:
            await side.be_quiet()
            resources.push_async_callback(side.be_itself)
        await _note_sizes(figures, sides)
        await _run_rounds(figures, sides, rounds=rounds, console=console)
        for side in sides:
            figures.note({f"size.rows_{side.size.name}_after": await side.rows()})
    return BenchReport(figures, (), Amount(rounds))


async def _note_sizes(figures: Figures, sides: Sequence[Side]) -> None:
    for side in sides:
        figures.note(
            {
                f"size.rows_{side.size.name}": await side.rows(),
                f"size.members_{side.size.name}": await side.members(),
            }
        )


async def _run_rounds(
    figures: Figures, sides: Sequence[Side], *, rounds: int, console: Console
) -> None:
    """Have the sides do the same in turn; the first round warms everything up and is not counted."""
    maker = TransferMaker(seed=1)
    tickets = [SizedTickets(side.size.members) for side in sides]
    for number in range(rounds + 1):
        title = f"round {number} of {rounds}" if number else "warm-up"
        transfers = [maker.written_batch() for _ in range(_BATCHES)]
        uploads = [[of.written_upload(_UPLOAD) for _ in range(_UPLOADS)] for of in tickets]
        noted = figures if number else Figures()
        console.print(f"{title}: transfers", highlight=False)
        growth = await _compare(noted, TRANSFERS, sides, [transfers, transfers], units=_POSTINGS)
        console.print(f"{title}: tickets", highlight=False)
        growth_tickets = await _compare(noted, TICKETS, sides, uploads, units=_TICKETS)
        noted.note({"size.growth": growth, "size.growth_tickets": growth_tickets})


async def _compare(
    figures: Figures,
    work: Work,
    sides: Sequence[Side],
    requests: Sequence[Sequence[bytes]],
    *,
    units: int,
) -> float:
    """Give each side its requests, and say how many times the small one's cost the large one's is.

    They take turns after a few requests, the one that was second going first: a machine's speed changes from second to
    second. Each side has processes of its own, so what the last turn left to do is counted where it belongs.
    """
    for side in sides:
        await side.begin()
    jobs = list(zip(sides, requests, strict=True))
    for start in range(0, len(requests[0]), _TURN):
        for side, of_side in jobs:
            await side.do(work, of_side[start : start + _TURN])
        jobs.reverse()
    small, large = [
        (await side.finish(work, units=units)).note(figures, work, side.size.name) for side in sides
    ]
    return large / small
