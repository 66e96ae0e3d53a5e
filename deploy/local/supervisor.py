"""Keeps one part of the stack running: starts it, waits until it answers, starts it again when it dies."""

import asyncio
import contextlib
import signal
import time
from asyncio.subprocess import STDOUT, Process
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from deploy.local.accounts import SystemAccount
from deploy.local.errors import StackError
from deploy.local.paths import unwritable
from deploy.local.processes import ProcessIdentity, identify

_PROBE_SECONDS: Final = 0.05
_BACK_OFF_SECONDS_FIRST: Final = 0.5
_BACK_OFF_SECONDS_MAX: Final = 30.0
_STEADY_SECONDS: Final = 15.0
"""A part that ran this long died of something new: its back-off begins again."""
_LOG_BYTES_MAX: Final = 16 * 1024 * 1024
_LOG_LINES_SHOWN: Final = 12

Report = Callable[[str], None]
"""Tells the person at the terminal one line."""


async def _nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True, slots=True)
class PartSpec:
    """How to run one part, and how to see that it answers."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    """The current folder of the process."""
    log: Path
    address: str
    is_ready: Callable[[], Awaitable[bool]]
    ready_seconds_max: float
    prepare: Callable[[], Awaitable[None]] = _nothing
    """What to do after each start, once it answers (a broker that keeps nothing needs its topics again)."""
    account: SystemAccount | None = None
    """Whom to run it as; None is whoever runs ``up``."""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds_max: float = 20.0


@dataclass(slots=True)
class Part:
    """One running part."""

    spec: PartSpec
    report: Report
    on_change: Callable[[], None]
    """Called when the process behind the part is another one."""
    identity: ProcessIdentity | None = None
    _process: Process | None = None
    _started_at: float = field(default=0.0)

    async def start(self) -> None:
        """Start the part and return once it answers; raises StackError with the end of its log when it does not."""
        spec = self.spec
        # Before the launch, which may fail: tries that end at once are to be ever further apart.
        self._started_at = time.monotonic()
        self._process = await self._launch()
        self.identity = identify(self._process.pid)
        self.on_change()
        until = time.monotonic() + spec.ready_seconds_max
        while not await spec.is_ready():
            if self._process.returncode is not None:
                raise StackError(
                    self._say(
                        f"{spec.name} stopped while starting (exit {self._process.returncode})."
                    )
                )
            if time.monotonic() > until:
                raise StackError(
                    self._say(f"{spec.name} did not answer within {spec.ready_seconds_max:.0f} s.")
                )
            await asyncio.sleep(_PROBE_SECONDS)
        if self._process.returncode is not None:
            # Somebody else answered at its address.
            raise StackError(self._say(f"{spec.name} could not take {spec.address}."))
        await spec.prepare()

    async def watch(self) -> None:
        """Start the part again whenever it ends, with growing pauses; cancel it before ``stop``."""
        pause = _BACK_OFF_SECONDS_FIRST
        while True:
            assert self._process is not None, "watch follows start"
            code = await self._process.wait()
            if time.monotonic() - self._started_at > _STEADY_SECONDS:
                pause = _BACK_OFF_SECONDS_FIRST
            self.report(
                f"{self.spec.name} ended (exit {code}); starting it again in {pause:.1f} s."
            )
            await asyncio.sleep(pause)
            pause = min(pause * 2, _BACK_OFF_SECONDS_MAX)
            await self._start_again()

    async def stop(self) -> None:
        """Stop the part: its own signal first, a kill when that takes too long."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        # The process may end just now; that is what is wanted.
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(self.spec.stop_signal)
        try:
            async with asyncio.timeout(self.spec.stop_seconds_max):
                await process.wait()
        except TimeoutError:
            self.report(
                f"{self.spec.name} did not stop in {self.spec.stop_seconds_max:.0f} s: killed."
            )
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start_again(self) -> None:
        try:
            await self.start()
        except StackError as error:
            # Not the end of the stack: the loop comes back to it after a longer pause.
            self.report(str(error))
            await self._kill()
        else:
            self.report(f"{self.spec.name} answers again.")

    async def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _launch(self) -> Process:
        spec = self.spec
        account = spec.account
        with _open_log(spec.log) as log:
            return await asyncio.create_subprocess_exec(
                *spec.argv,
                env=dict(spec.env),
                cwd=spec.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=STDOUT,
                # A session of its own: Ctrl-C reaches `up` alone, which then stops its parts in order.
                start_new_session=True,
                user=None if account is None else account.uid,
                group=None if account is None else account.gid,
                extra_groups=None if account is None else (),
            )

    def _say(self, what: str) -> str:
        lines = self.spec.log.read_text(encoding="utf-8", errors="replace").splitlines()[
            -_LOG_LINES_SHOWN:
        ]
        shown = "".join(f"\n  | {line}" for line in lines)
        return f"{what} The end of its log ({self.spec.log}):{shown}"


def _open_log(log: Path) -> BinaryIO:
    """Open a log to go on, and keep one older beside it, so that logs stay bounded over many starts."""
    try:
        if log.exists() and log.stat().st_size > _LOG_BYTES_MAX:
            log.replace(log.with_suffix(".log.1"))
        return log.open("ab")
    except OSError as error:
        raise unwritable(log, error) from error
