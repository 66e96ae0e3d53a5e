"""The demo's stack: always a fresh one, on the simulated clock."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.local.background import start_in_background, stop_stack
from deploy.local.errors import StackError
from deploy.local.interruption import ended_as_by_ctrl_c
from deploy.local.lock import running_pid
from deploy.local.paths import DEMO_FOLDER, StackPaths, stack_paths


@contextmanager
def demo_stack(
    folder: Path | None, *, keep: bool, report: Callable[[str], None], broker: str | None = None
) -> Iterator[StackPaths]:
    """Run a fresh stack for the body; afterwards it is stopped, unless it is to be kept. SIGTERM is an end too.

    Without a folder it takes the demo's own, whose earlier demo it deletes, and nothing else. A folder that was named
    must be empty: the demo never deletes what somebody chose to keep. Raises StackError.
    """
    paths = stack_paths(folder or Path(DEMO_FOLDER))
    if running_pid(paths) is not None:
        message = (
            f"A stack runs in {paths.root}, and the demo needs a fresh one. Stop it with "
            f"`{paths.command('down')}` or name another folder with --dir."
        )
        raise StackError(message)
    _clear(paths, is_own=folder is None)
    report(f"Starting a fresh stack in {paths.root} ...")
    with ended_as_by_ctrl_c():
        start_in_background(paths, clock="simulated", broker=broker)
        try:
            yield paths
        finally:
            _end(paths, keep=keep, report=report)


def _end(paths: StackPaths, *, keep: bool, report: Callable[[str], None]) -> None:
    if keep:
        report(f"The stack stays up. Stop it with `{paths.command('down')}`.")
    else:
        stop_stack(paths)
        report(f"Stopped; `{paths.command('up')}` starts it again with its data.")


def _clear(paths: StackPaths, *, is_own: bool) -> None:
    if not paths.has_content():
        return
    if not is_own:
        message = (
            f"{paths.root} is not empty, and the demo needs a fresh folder. Name another one with --dir, or "
            f"replay into this stack: `{paths.command('up')}` and `{paths.command('replay')}`."
        )
        raise StackError(message)
    paths.check_free()
    stop_stack(paths)
    shutil.rmtree(paths.root)
