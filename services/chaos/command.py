"""The ``chaos`` part of the ``cagnotte`` command."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer
from rich.console import Console

from deploy.local.paths import stack_paths
from services.chaos.errors import ChaosError
from services.report_file import JsonFile, is_screen, write_report

if TYPE_CHECKING:
    from services.chaos.report import ChaosReport

chaos = typer.Typer(
    help="Kill parts of a stack of its own while it works, and prove that nothing is lost.",
    no_args_is_help=True,
)

BASKETS_PER_ROUND: Final = 1_000
"""More than are sold while a part is killed and comes back."""


Folder = Annotated[
    Path | None,
    typer.Option("--dir", help="Empty folder for the stack, which stays (a temporary one)."),
]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="How often something is killed.")]
Seed = Annotated[int, typer.Option("--seed", help="Decides what dies when.")]
Baskets = Annotated[
    int | None,
    typer.Option("--baskets", min=1, metavar="N", help="Baskets to replay (1000 a round)."),
]
Phones = Annotated[
    int, typer.Option("--phones", min=0, max=100, metavar="PERCENT", help="Paid by phone.")
]
BrokerKind = Annotated[
    Literal["embedded", "apache"] | None,
    typer.Option("--broker", envvar="CAGNOTTE_BROKER", help="Which broker is killed."),
]
WaitSeconds = Annotated[
    float, typer.Option("--wait", min=0, help="Seconds that events under way may take.")
]


@chaos.callback()
def _chaos() -> None:
    """Keep ``kills`` a command of its own, also while there is no other."""


@chaos.command()
def kills(
    folder: Folder = None,
    *,
    rounds: Rounds = 12,
    seed: Seed = 1,
    baskets: Baskets = None,
    phones: Phones = 30,
    broker: BrokerKind = None,
    wait: WaitSeconds = 120.0,
    json_file: JsonFile = None,
) -> None:
    """Replay baskets while services, database, broker and provider are killed (-9) in turn."""
    from deploy.local.demo import demo_stack
    from deploy.local.screen import say
    from services.chaos.kills import KillOptions, run_kills

    console = Console(stderr=is_screen(json_file))
    options = KillOptions(
        rounds=rounds,
        seed=seed,
        baskets=rounds * BASKETS_PER_ROUND if baskets is None else baskets,
        phones_percent=phones,
        wait_seconds=wait,
    )
    report_line = partial(say, console)
    with (
        _folder_or_own(folder) as root,
        demo_stack(root, keep=False, broker=broker, report=report_line) as paths,
    ):
        report = run_kills(paths, options, console=console, report=report_line)
    _show(report, console, json_file)
    if not report.ok:
        raise typer.Exit(1)


@contextmanager
def _folder_or_own(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        if stack_paths(folder).has_content():
            raise ChaosError(
                f"{folder} is not empty, and chaos needs a fresh folder: name another."
            )
        yield folder
        return
    made = Path(tempfile.mkdtemp(prefix="cagnotte-chaos-"))
    try:
        yield made / "stack"
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _show(report: "ChaosReport", console: Console, json_file: Path | None) -> None:
    console.print(report.table())
    if not report.ok:
        console.print(report.replay.table())
        console.print(report.repeated.table())
    write_report(report.to_json(), json_file)
