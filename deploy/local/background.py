"""A stack in the background: started detached, waited for, stopped from outside."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

from deploy.local.errors import StackError
from deploy.local.interruption import ended_later
from deploy.local.lock import running_pid
from deploy.local.paths import StackPaths
from deploy.local.stack import stop_left_behind
from deploy.local.state import StackState, load_state

_POLL_SECONDS: Final = 0.1
_START_SECONDS_MAX: Final = 900.0
"""Longer than the longest recovery that a part is given."""
_STOP_SECONDS_MAX: Final = 180.0


def start_in_background(
    paths: StackPaths, *, clock: str | None, broker: str | None = None
) -> StackState:
    """Start the folder's stack as a process of its own and return its state once all answers.

    Raises StackError with what ``up`` said when it does not start.
    """
    paths.make()
    log = paths.logs / "up.log"
    command = [sys.executable, "-m", "services.cli", "up", f"--dir={paths.root}"]
    if clock is not None:
        command.append(f"--clock={clock}")
    if broker is not None:
        command.append(f"--broker={broker}")
    process: subprocess.Popen[bytes] | None = None
    try:
        with log.open("wb") as output, ended_later():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return _wait_until_ready(paths, process, log)
    except BaseException:
        # Given up (Ctrl-C too): nothing stays behind half started.
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait()
        raise


def stop_stack(paths: StackPaths) -> bool:
    """Stop the folder's stack, also one whose ``up`` was killed; tell whether there was anything to stop.

    Raises StackError when it does not stop.
    """
    pid = running_pid(paths)
    if not pid:
        return bool(stop_left_behind(paths))
    try:
        os.kill(pid, signal.SIGTERM)
    except PermissionError as error:
        message = f"The stack in {paths.root} (process {pid}) belongs to another user: stop it as that user."
        raise StackError(message) from error
    until = time.monotonic() + _STOP_SECONDS_MAX
    while running_pid(paths) is not None:
        if time.monotonic() > until:
            message = (
                f"Process {pid} did not stop in {_STOP_SECONDS_MAX:.0f} s. Look into {paths.logs}."
            )
            raise StackError(message)
        time.sleep(_POLL_SECONDS)
    return True


def _wait_until_ready(paths: StackPaths, process: subprocess.Popen[bytes], log: Path) -> StackState:
    until = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < until:
        if process.poll() is not None:
            raise StackError(_said(log))
        state = load_state(paths)
        if state is not None and state.ready and state.pid == process.pid:
            return state
        time.sleep(_POLL_SECONDS)
    message = f"The stack did not start within {_START_SECONDS_MAX:.0f} s. Look into {paths.logs}."
    raise StackError(message)


def _said(log: Path) -> str:
    """Return what ``up`` said at its end, without the name that every message begins with."""
    said = log.read_text(encoding="utf-8", errors="replace").strip()
    return said.removeprefix("cagnotte: ")
