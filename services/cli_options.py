"""The options that several ``cagnotte`` commands share, each with its help."""

from pathlib import Path
from typing import Annotated, Literal

import typer

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
    int, typer.Option("--baskets", min=1, metavar="N", help="Replay the first N baskets.")
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

BrokerKind = Annotated[
    Literal["embedded", "apache"] | None,
    typer.Option(
        "--broker",
        envvar="CAGNOTTE_BROKER",
        help="Broker in a wheel, or Apache Kafka (embedded, or what the stack had).",
        show_default=False,
    ),
]
