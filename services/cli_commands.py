"""The commands of ``cagnotte``: they start the embedded stack, replay real baskets, prove the books.

They only translate: arguments in, a call, an answer on the screen. What a command does not need it does not import, so
``cagnotte --help`` answers at once and works without the embedded stack's packages.
"""

import asyncio
import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal
from uuid import UUID

import typer
from rich.console import Console

from deploy.local.errors import StackError
from deploy.local.interruption import EXIT_INTERRUPTED, INTERRUPTED, ended_as_by_ctrl_c
from services.bench.command import bench
from services.chaos.command import chaos
from services.cli_options import (
    AllBaskets,
    Baskets,
    BrokerKind,
    Folder,
    HeadsFile,
    JsonFlag,
    Phones,
    Version,
    WaitSeconds,
    chosen_baskets,
)
from services.report_file import JsonFile, is_screen, write_report

if TYPE_CHECKING:
    from deploy.local.info import StackInfo
    from deploy.local.paths import StackPaths
    from services.auditor import VerifyReport
    from services.simulator.report import ReplayReport

app = typer.Typer(
    name="cagnotte",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.add_typer(bench, name="bench")
app.add_typer(chaos, name="chaos")

EXIT_FAILED: Final = 1
"""The command was understood and found something wrong."""
EXIT_IMPOSSIBLE: Final = 2
"""The command could not do its work at all."""

OWN_PACKAGES: Final = ("services", "deploy", "cagnotte", "buf")
EXPECTED_ERRORS: Final = frozenset(
    {"AuditError", "BenchError", "ChaosError", "ReplayError", "ReportFileError"}
)
"""What the auditor, benchmarks, chaos, the simulator and reports raise when they cannot work; the message says why."""

PHONES_PERCENT: Final = 30
"""The share of baskets that are paid by phone, unless one is named."""


@app.callback()
def cagnotte(*, version: Version = False) -> None:
    """Payment and loyalty wallet of a grocery retailer: the embedded stack and its proofs."""


@app.command()
def up(
    folder: Folder = None,
    clock: Annotated[
        Literal["simulated", "system"] | None,
        typer.Option(help="Where business time comes from (system, or what the stack had)."),
    ] = None,
    broker: BrokerKind = None,
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once it is up and leave it running.")
    ] = False,
) -> None:
    """Start the stack and keep it running until Ctrl-C; its data stays for the next start."""
    from deploy.local.up import run_up

    run_up(Console(), _paths(folder), clock=clock, broker=broker, detach=detach)


@app.command()
def down(folder: Folder = None) -> None:
    """Stop the stack, wherever it was started from."""
    from deploy.local.background import stop_stack
    from deploy.local.lock import running_pid
    from deploy.local.state import known_state

    paths = _paths(folder)
    # One that only begins has no state yet, and is stopped all the same.
    if running_pid(paths) is None:
        known_state(paths)
    stopped = stop_stack(paths)
    typer.echo(f"Stopped {paths.root}." if stopped else f"No stack runs in {paths.root}.")


@app.command()
def status(folder: Folder = None, *, as_json: JsonFlag = False) -> None:
    """Show the parts of the stack; fails when one does not answer, or nobody would start it again."""
    from deploy.local.screen import show_status
    from deploy.local.status import look_at_stack

    stack = asyncio.run(look_at_stack(_paths(folder)))
    if as_json:
        typer.echo(json.dumps(stack.to_json(), indent=2))
    else:
        show_status(Console(), stack)
    if not stack.is_healthy:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def env(folder: Folder = None) -> None:
    """Print shell exports of addresses, databases and tokens: eval "$(cagnotte env)"."""
    from deploy.local.info import stack_info

    for name, value in stack_info(_paths(folder)).exports().items():
        typer.echo(f"export {name}={shlex.quote(value)}")


@app.command()
def call(
    method: Annotated[str, typer.Argument(help="Such as points.GetLoyaltyTotals.")],
    content: Annotated[str, typer.Argument(metavar="[JSON]", help="The request.")] = "{}",
    folder: Folder = None,
    kind: Annotated[
        Literal["till", "shopper", "finance", "service", "operator"] | None,
        typer.Option("--as", help="Who calls (operator).", show_default=False),
    ] = None,
    customer: Annotated[
        UUID | None, typer.Option(help="Call as this shopper.", show_default=False)
    ] = None,
) -> None:
    """Call a service of the stack once, from JSON to JSON; a stream's answers are shown as they come."""
    from deploy.local.call import call as call_once
    from deploy.local.identity import shopper_tokens

    if customer is not None and kind not in {None, "shopper"}:
        raise StackError(f"A customer calls as a shopper: leave out --customer or --as {kind}.")
    paths = _paths(folder)
    info = _info(paths)
    token = shopper_tokens(paths)(customer) if customer else info.tokens[kind or "operator"]

    async def show() -> None:
        async for answer in call_once(info, method, content, token=token):
            typer.echo(answer)

    asyncio.run(show())


@app.command()
def replay(
    folder: Folder = None,
    baskets: Baskets = None,
    phones: Phones = PHONES_PERCENT,
    *,
    all_baskets: AllBaskets = False,
    json_file: JsonFile = None,
) -> None:
    """Replay real baskets as tills and phones against a running stack, and compare its books with them."""
    chosen, console = chosen_baskets(baskets, all_baskets=all_baskets), _console_beside(json_file)
    report = _replay(_paths(folder), chosen, phones, console)
    _show_replay(report, console, json_file)
    if not report.ok:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def verify(
    folder: Folder = None,
    wait: WaitSeconds = 30.0,
    acknowledged: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Breaks of business that were looked at: named with who, when and why, they fail nothing.",
            show_default=False,
        ),
    ] = None,
    heads: HeadsFile = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Prove from the data alone that books, journals and balances agree."""
    console, info = Console(stderr=as_json), _info(_paths(folder))
    report = _verify(info, wait, console, acknowledged=acknowledged, heads=heads, as_line=as_json)
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    if not report.ok:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def acknowledge(
    file: Annotated[Path, typer.Argument(help="The list; a line is added.", show_default=False)],
    *,
    check: Annotated[str, typer.Option(help="Name of the check.", show_default=False)],
    text: Annotated[
        str, typer.Option("--break", help="The break as the check names it.", show_default=False)
    ],
    by: Annotated[str, typer.Option(help="Who looked at it.", show_default=False)],
    why: Annotated[str, typer.Option(help="What it is, and what was done.", show_default=False)],
) -> None:
    """Write down that somebody looked at a break of business, for ``verify --acknowledged``."""
    from services.auditor.acknowledgements import write_acknowledgement
    from services.auditor.report import Acknowledged
    from services.common.kernel.clock import system_clock

    write_acknowledgement(file, Acknowledged(check, text, by, system_clock(), why))


@app.command()
def dead(
    folder: Folder = None,
    *,
    again: Annotated[
        bool, typer.Option("--republish", help="Send each event to its topic again.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """List the events that a consumer could not read, with its reasons; fails when one asked for is not sent."""
    from deploy.local.dead_letters import read_dead_letters, republish

    broker = _info(_paths(folder)).kafka
    letters = asyncio.run(read_dead_letters(broker))
    sent = asyncio.run(republish(broker, letters)) if again else 0
    left = sum(letter.obstacle is not None for letter in letters) if again else 0
    if as_json:
        found = {
            "dead": [letter.to_json() for letter in letters],
            "republished": sent,
            "left": left,
        }
        typer.echo(json.dumps(found, indent=2))
    else:
        for letter in letters:
            typer.echo(letter.line())
        ending = f", {left} left" if left else ""
        typer.echo(f"{len(letters)} dead letters, {sent} events sent again{ending}.")
    if left:
        raise typer.Exit(EXIT_FAILED)


@app.command()
def demo(
    folder: Folder = None,
    baskets: Baskets = None,
    phones: Phones = PHONES_PERCENT,
    wait: WaitSeconds = 30.0,
    broker: BrokerKind = None,
    *,
    all_baskets: AllBaskets = False,
    json_file: JsonFile = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack up.")] = False,
) -> None:
    """Start a fresh stack, replay real baskets, prove the books, and report."""
    from deploy.local.demo import demo_stack
    from deploy.local.screen import say

    chosen, console = chosen_baskets(baskets, all_baskets=all_baskets), _console_beside(json_file)
    report_line = partial(say, console)
    with demo_stack(folder, keep=keep, broker=broker, report=report_line) as paths:
        report = _replay(paths, chosen, phones, console)
        report = report.with_verify(ok=_verify(_info(paths), wait, console).ok)
        _show_replay(report, console, json_file)
    if not report.ok:
        raise typer.Exit(EXIT_FAILED)


def run_command() -> None:
    """Run the command; a failure that its reader can act on is one line, never a traceback.

    SIGTERM and SIGHUP end every command as Ctrl-C does: what it has started is stopped.
    """
    with _plain_errors():
        try:
            with ended_as_by_ctrl_c():
                app()
        except SystemExit as end:
            if end.code == EXIT_INTERRUPTED:
                typer.echo(INTERRUPTED, err=True)
            raise


def _replay(
    paths: "StackPaths", baskets: int | None, phones_percent: int, console: Console
) -> "ReplayReport":
    import uvloop

    from services.replaying import endpoints_of
    from services.simulator.replay import ReplayOptions, run_replay

    options = ReplayOptions(baskets=baskets, phones_percent=phones_percent)
    return uvloop.run(run_replay(endpoints_of(paths), options, console=console))


def _verify(
    info: "StackInfo",
    wait_seconds: float,
    console: Console,
    *,
    acknowledged: Path | None = None,
    heads: Path | None = None,
    as_line: bool = False,
) -> "VerifyReport":
    from services.auditor import run_verify
    from services.auditor.acknowledgements import acknowledge as allow
    from services.auditor.acknowledgements import read_acknowledgements
    from services.auditor.heads import note_heads, read_heads
    from services.auditor.render import render_report, render_unused, shown_progress, title
    from services.common.kernel.clock import system_clock

    known = None if acknowledged is None else read_acknowledgements(acknowledged)
    noted = None if heads is None else read_heads(heads)
    with shown_progress(console) as listen:
        report = run_verify(
            ledger_dsn=info.database_urls["ledger"],
            points_dsn=info.database_urls["points"],
            wallet_dsn=info.database_urls["wallet"],
            provider_url=info.sandbox_url,
            provider_key=info.sandbox_key,
            progress=listen,
            wait_seconds=wait_seconds,
            noted=noted,
        )
    if known is not None:
        report = allow(report, known)
    if heads is not None:
        note_heads(heads, report, noted or (), now=system_clock())
    console.print(title(report) if as_line else render_report(report))
    for line in render_unused(report):
        console.print(line, markup=False)
    return report


def _show_replay(report: "ReplayReport", console: Console, json_file: Path | None) -> None:
    console.print(report.table())
    write_report(report.to_json(), json_file)


def _paths(folder: Path | None) -> "StackPaths":
    from deploy.local.paths import DEFAULT_FOLDER, stack_paths

    return stack_paths(folder or Path(DEFAULT_FOLDER))


def _info(paths: "StackPaths") -> "StackInfo":
    from deploy.local.info import running_stack_info

    return running_stack_info(paths)


def _console_beside(json_file: Path | None) -> Console:
    """Return where to show progress: beside the JSON when that goes to the standard output."""
    return Console(stderr=is_screen(json_file))


@contextmanager
def _plain_errors() -> Iterator[None]:
    try:
        yield
    except StackError as error:
        _fail(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OWN_PACKAGES:
            raise
        _fail(
            f"This command needs {error.name}, which is not installed: pip install "
            "'cagnotte[local]' brings the embedded stack and the demo's data."
        )
    except Exception as error:
        # Told apart by name: their modules are imported only by the commands that need them.
        if EXPECTED_ERRORS.isdisjoint(kind.__name__ for kind in type(error).__mro__):
            raise
        _fail(str(error))


def _fail(message: str) -> None:
    Console(stderr=True).print(
        f"cagnotte: {message}", markup=False, highlight=False, soft_wrap=True
    )
    sys.exit(EXIT_IMPOSSIBLE)
