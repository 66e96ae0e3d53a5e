"""``cagnotte bench size``: the same transfers and tickets on a small and on a large stack, in turn."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from services.bench.figures import BenchReport, Figures
from services.bench.size.plan import Size
from services.bench.size.side import TICKETS, TRANSFERS, Side, Work, note, open_side
from services.bench.size.tickets import SizedTickets
from services.bench.stack import BenchStack
from services.bench.transfers import BATCH, TransferMaker

_BATCHES: Final = 20
_UPLOADS: Final = 4
_UPLOAD: Final = 500
_POSTINGS_PER_TRANSFER: Final = 2


@dataclass(frozen=True, slots=True)
class Amount:
    """What each stack gets to do in a round, and how many rounds there are."""

    rounds: int
    transfers: int = _BATCHES * BATCH
    tickets: int = _UPLOADS * _UPLOAD

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
    """Let the sides begin in turn; the first round warms everything up and is not counted."""
    maker = TransferMaker(seed=1)
    tickets = [SizedTickets(side.size.members) for side in sides]
    for number in range(rounds + 1):
        title = f"round {number} of {rounds}" if number else "warm-up"
        transfers = [maker.written_batch() for _ in range(_BATCHES)]
        uploads = [[of.written_upload(_UPLOAD) for _ in range(_UPLOADS)] for of in tickets]
        places = (0, 1) if number % 2 else (1, 0)
        noted = figures if number else Figures()
        console.print(f"{title}: transfers", highlight=False)
        await _compare(
            noted,
            TRANSFERS,
            [(sides[place], transfers) for place in places],
            units=_BATCHES * BATCH * _POSTINGS_PER_TRANSFER,
            figure="size.growth",
        )
        console.print(f"{title}: tickets", highlight=False)
        await _compare(
            noted,
            TICKETS,
            [(sides[place], uploads[place]) for place in places],
            units=_UPLOADS * _UPLOAD,
            figure="size.growth_tickets",
        )


async def _compare(
    figures: Figures,
    work: Work,
    jobs: Sequence[tuple[Side, Sequence[bytes]]],
    *,
    units: int,
    figure: str,
) -> None:
    """Do the same on both sides, and note how many times the small one's cost the large one's is."""
    costs = {}
    for side, requests in jobs:
        seen = await side.do(work, requests, units=units)
        costs[side.size.name] = note(figures, work, side.size.name, seen)
    figures.note({figure: costs["large"] / costs["small"]})
