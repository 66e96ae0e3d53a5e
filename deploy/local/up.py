"""``cagnotte up``: the stack in this terminal or in the background, and what is said of it."""

import asyncio
from functools import partial

from rich.console import Console

from deploy.local.background import start_in_background
from deploy.local.paths import StackPaths
from deploy.local.screen import say, show_ready
from deploy.local.stack import run_stack


def run_up(
    console: Console, paths: StackPaths, *, clock: str | None, broker: str | None, detach: bool
) -> None:
    """Start the folder's stack, and keep it running until Ctrl-C unless it is to be detached; raises StackError."""
    if detach:
        show_ready(console, paths, start_in_background(paths, clock=clock, broker=broker))
        return
    asyncio.run(
        run_stack(
            paths,
            clock=clock,
            broker=broker,
            report=partial(say, console),
            on_ready=lambda state: show_ready(console, paths, state),
        )
    )
    console.print("Stopped; the data is kept.")
