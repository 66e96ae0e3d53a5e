"""The ``bench`` part of the ``cagnotte`` command."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer
from rich.console import Console

from services.bench.pace import Pace
from services.report_file import JsonFile, is_screen, write_report

if TYPE_CHECKING:
    from services.bench.figures import BenchReport

bench = typer.Typer(
    help="Measure rates, latencies and CPU on a stack of its own, beside this machine's limits.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path | None,
    typer.Option("--dir", help="Empty folder for the stack, which stays (a temporary one)."),
]
Seconds = Annotated[
    float, typer.Option("--seconds", min=0.5, help="Measured time of each workload in each round.")
]

Rounds = Annotated[
    int, typer.Option("--rounds", min=1, help="How often every workload is measured in turn.")
]

Bench: TypeAlias = "Callable[..., Coroutine[Any, Any, BenchReport]]"


@bench.command()
def ledger(
    folder: Folder = None,
    seconds: Seconds = 5.0,
    rounds: Rounds = 3,
    *,
    json_file: JsonFile = None,
) -> None:
    """Post transfers: the engine alone, over gRPC in batches and one by one, and plain limits."""
    from services.bench.ledger import bench_ledger

    _run(bench_ledger, folder, pace=Pace(seconds, rounds), json_file=json_file)


@bench.command()
def tickets(
    folder: Folder = None,
    seconds: Seconds = 5.0,
    rounds: Rounds = 3,
    *,
    json_file: JsonFile = None,
) -> None:
    """Record real baskets: one by one, as offline queues, and the latency at half load."""
    from services.bench.tickets import bench_tickets

    _run(bench_tickets, folder, pace=Pace(seconds, rounds), json_file=json_file)


@bench.command()
def checkout(
    folder: Folder = None,
    seconds: Seconds = 5.0,
    rounds: Rounds = 3,
    *,
    json_file: JsonFile = None,
) -> None:
    """Pay real baskets by phone: one tender, three tenders, books and points included; and PayCheckout's own time."""
    from services.bench.checkout import bench_checkout

    _run(bench_checkout, folder, pace=Pace(seconds, rounds), json_file=json_file)


@bench.command()
def size(
    rows: Annotated[
        str, typer.Option("--rows", metavar="SMALL,LARGE", help="Rows of the ledger's journal.")
    ] = "100000,10000000",
    members: Annotated[
        str, typer.Option("--members", metavar="SMALL,LARGE", help="Members of the points.")
    ] = "30000,3000000",
    folder: Annotated[
        Path | None,
        typer.Option(
            "--dir",
            help="Folder that keeps both stacks, so that the next run need not fill them (a temporary one).",
        ),
    ] = None,
    rounds: Rounds = 5,
    *,
    json_file: JsonFile = None,
) -> None:
    """Do the same on a small and on a large stack in turn: how much more a posting and a ticket cost."""
    from services.bench.size.plan import parse_sizes
    from services.bench.size.run import run_size

    console = _prepare(json_file)
    report = run_size(parse_sizes(rows, members), folder=folder, rounds=rounds, console=console)
    console.print(report.table())
    write_report(report.to_json(), json_file)


@bench.command()
def overload(
    folder: Folder = None,
    seconds: Seconds = 5.0,
    rounds: Rounds = 3,
    *,
    json_file: JsonFile = None,
) -> None:
    """Offer each service three times its capacity: what it keeps, how it refuses, when it is itself again."""
    from services.bench.overload import bench_overload

    _run(bench_overload, folder, pace=Pace(seconds, rounds), json_file=json_file)


def _prepare(json_file: Path | None) -> Console:
    """Choose where to write, and keep all but warnings out of it."""
    from services.common.runtime.config import LogSettings
    from services.common.runtime.logging import configure_logging

    configure_logging(LogSettings(level="warning"), service="bench")
    return Console(stderr=is_screen(json_file))


def _run(run: Bench, folder: Path | None, *, pace: Pace, json_file: Path | None) -> None:
    import uvloop

    from services.bench.stack import bench_stack

    console = _prepare(json_file)

    def report_line(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    with bench_stack(folder, report=report_line) as stack:
        report = uvloop.run(run(stack, pace=pace, console=console))
    console.print(report.table())
    write_report(report.to_json(), json_file)
