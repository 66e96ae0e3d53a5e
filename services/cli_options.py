"""The options that several ``cagnotte`` commands share, each with its help."""

from importlib import metadata
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from deploy.local.errors import StackError

DEMO_BASKETS: Final = 20_000
"""A few minutes on two cores."""

Folder = Annotated[
    Path | None,
    typer.Option(
        "--dir",
        envvar="CAGNOTTE_DIR",
        help="Folder of the stack (.cagnotte here; .cagnotte-demo for the demo).",
        show_default=False,
    ),
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Write JSON to the standard output.")]
Baskets = Annotated[
    int | None,
    typer.Option(
        "--baskets",
        min=1,
        metavar="N",
        help=f"Replay the first N baskets ({DEMO_BASKETS}).",
        show_default=False,
    ),
]
AllBaskets = Annotated[bool, typer.Option("--all", help="Replay the whole year.")]
Phones = Annotated[
    int,
    typer.Option(
        "--phones", min=0, max=100, metavar="PERCENT", help="Share of baskets paid by phone."
    ),
]
WaitSeconds = Annotated[
    float,
    typer.Option("--wait", min=0, metavar="SECONDS", help="Time that events under way may take."),
]
HeadsFile = Annotated[
    Path | None,
    typer.Option(
        "--heads",
        metavar="FILE",
        help="Heads of journals that earlier audits noted: they must still stand, and the present ones are added.",
        show_default=False,
    ),
]


def _say_version(*, asked: bool) -> None:
    if asked:
        typer.echo(f"cagnotte {metadata.version('cagnotte')}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_say_version, is_eager=True, help="Show the version and end."
    ),
]

BrokerKind = Annotated[
    Literal["embedded", "apache"] | None,
    typer.Option(
        "--broker",
        envvar="CAGNOTTE_BROKER",
        help="Broker in a wheel, or Apache Kafka (embedded, or what the stack had).",
        show_default=False,
    ),
]


def chosen_baskets(baskets: int | None, *, all_baskets: bool) -> int | None:
    """Return how many baskets to replay, or None for all."""
    if not all_baskets:
        return DEMO_BASKETS if baskets is None else baskets
    if baskets is not None:
        raise StackError("--all replays the whole year: leave out --all or --baskets.")
    return None
