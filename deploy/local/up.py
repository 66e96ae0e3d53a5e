"""``cagnotte up``: the stack in this terminal or in the background, and what is said of it."""

import asyncio
from contextlib import suppress
from functools import partial

from rich.console import Console

from deploy.local.background import start_in_background
from deploy.local.paths import StackPaths
from deploy.local.screen import say, show_ready
from deploy.local.stack import run_stack


def run_up(
    console: Console, paths: StackPaths, *, clock: str | None, broker: str | None, detach: bool
) -> None:
    """Start the folder's stack, and keep it running until Ctrl-C unless it is to be detached.

    Raises StackError, and KeyboardInterrupt when its end was asked for before it was up.
    """
    if detach:
        show_ready(console, paths, start_in_background(paths, clock=clock, broker=broker))
        return
    was_up = asyncio.run(
        run_stack(
            paths,
            clock=clock,
            broker=broker,
            report=partial(_report, console),
            on_ready=lambda state: show_ready(console, paths, state),
        )
    )
    if not was_up:
        raise KeyboardInterrupt
    console.print("Stopped; the data is kept.")


def _report(console: Console, line: str) -> None:
    """Tell what happens to the stack; one in the background says it to a file, whose disk may be full."""
    with suppress(OSError):
        say(console, line)
