"""What a stack shows at the terminal."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from deploy.local.paths import DEFAULT_FOLDER, StackPaths, stack_paths
from deploy.local.ports import LOOPBACK
from deploy.local.secrets import SERVICES
from deploy.local.state import StackState
from deploy.local.status import StackStatus


def say(console: Console, line: str) -> None:
    """Show text as it is: a path is no markup, and a command stays whole for copying."""
    console.print(line, markup=False, highlight=False, soft_wrap=True)


def show_ready(console: Console, paths: StackPaths, state: StackState) -> None:
    """Show the addresses of a stack that has just started, and a first call to try."""
    say(console, f"cagnotte is up in {paths.root} ({state.clock} clock)")
    table = Table()
    for column in ("part", "address", "process", "metrics"):
        table.add_column(column, no_wrap=True)
    for part in state.parts:
        table.add_row(
            Text(part.name, style="bold"),
            part.address,
            str(part.process.pid) if part.process is not None else "",
            _metrics(state, part.name),
        )
    console.print(table)
    say(console, _first_call(paths, state))


def show_status(console: Console, stack: StackStatus) -> None:
    """Show a stack as it is: who keeps it running, and its parts."""
    paths = stack.paths
    if stack.is_stopped:
        say(console, f"The stack in {paths.root} is stopped. `{_command('up', paths)}` starts it.")
        return
    table = Table()
    for column in ("part", "process", "address", "health"):
        table.add_column(column, no_wrap=True)
    is_kept = stack.supervisor_pid is not None
    table.add_row("up", str(stack.supervisor_pid or "-"), "-", _health(is_healthy=is_kept))
    for part in stack.parts:
        health = _health(is_healthy=part.healthy)
        table.add_row(part.name, str(part.pid or "-"), part.address, health)
    console.print(table)
    if stack.warning is not None:
        say(console, stack.warning)


def _health(*, is_healthy: bool) -> Text:
    return Text("ok", style="green") if is_healthy else Text("DOWN", style="bold red")


def _metrics(state: StackState, name: str) -> str:
    return f"http://{LOOPBACK}:{state.ports[f'{name}_metrics']}/metrics" if name in SERVICES else ""


def _first_call(paths: StackPaths, state: StackState) -> str:
    call = _command("call points.GetLoyaltyTotals --as finance", paths)
    return (
        f"A first call:\n  {call}\n"
        "The same with any gRPC client (the servers describe themselves):\n"
        f'  eval "$({_command("env", paths)})"\n'
        '  grpcurl -plaintext -H "authorization: Bearer $CAGNOTTE_TOKEN_FINANCE" \\\n'
        f"    {LOOPBACK}:{state.ports['points']} cagnotte.points.v1.PointsService/GetLoyaltyTotals"
    )


def _command(name: str, paths: StackPaths) -> str:
    usual = stack_paths(Path(DEFAULT_FOLDER)).root == paths.root
    return f"cagnotte {name}" if usual else paths.command(name)
