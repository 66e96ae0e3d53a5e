"""The stack as a whole: what starts after what, and how it ends."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack, suppress
from typing import Final

from deploy.local.broker import broker_spec
from deploy.local.errors import StackError
from deploy.local.identity import make_keys
from deploy.local.lock import hold_lock
from deploy.local.paths import StackPaths
from deploy.local.ports import hold_ports
from deploy.local.postgres import prepare_postgres
from deploy.local.processes import stop_leftovers
from deploy.local.programme import publish_demo_programme
from deploy.local.provider import provider_spec
from deploy.local.secrets import SERVICES, load_passwords, load_provider_secrets
from deploy.local.service import migrate, service_spec
from deploy.local.service_token import renew_service_token, write_service_token
from deploy.local.state import EMBEDDED, PartState, StackState, load_state, save_state
from deploy.local.supervisor import Part, PartSpec, Report

_LEFTOVER_SECONDS_MAX: Final = 30.0


async def run_stack(
    paths: StackPaths,
    *,
    clock: str | None,
    report: Report,
    on_ready: Callable[[StackState], None],
    broker: str | None = None,
    services: Sequence[str] = SERVICES,
) -> bool:
    """Run the folder's stack until SIGINT or SIGTERM; tell whether it was up before that.

    Raises StackError when it cannot start.

    ``clock`` is ``system``, ``simulated``, or None for what the stack had before, and ``broker`` the same with
    ``embedded`` and ``apache``. Without all the ``services`` it is PostgreSQL, the broker and the provider for
    those that run elsewhere.
    """
    paths.make()
    with ExitStack() as holds:
        holds.enter_context(hold_lock(paths))
        before = _look_back(paths, clock=clock, report=report)
        state = StackState(
            clock=clock or ("system" if before is None else before.clock),
            ports=holds.enter_context(hold_ports({} if before is None else before.ports)),
            pid=os.getpid(),
            ready=False,
            broker=broker or (EMBEDDED if before is None else before.broker),
        )
        stack = _Stack(paths, state, report, services)
        work = asyncio.create_task(stack.run(on_ready))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, work.cancel)
        try:
            with suppress(asyncio.CancelledError):
                await work
        finally:
            await stack.stop()
    return stack.was_up


def stop_left_behind(paths: StackPaths) -> list[int]:
    """Stop the parts of an ``up`` that was killed; return their pids."""
    state = load_state(paths)
    if state is None:
        return []
    # Last started, first stopped: PostgreSQL outlives those who write to it.
    processes = [part.process for part in reversed(state.parts) if part.process is not None]
    return stop_leftovers(processes, seconds_max=_LEFTOVER_SECONDS_MAX)


def _look_back(paths: StackPaths, *, clock: str | None, report: Report) -> StackState | None:
    """Return what the folder's stack was, with nothing of it running any more."""
    before = load_state(paths)
    if before is not None and clock not in (None, before.clock):
        message = (
            f"The stack in {paths.root} runs on the {before.clock} clock, and its data is of that time: a stack keeps "
            "its clock. Choose another folder with --dir for another clock."
        )
        raise StackError(message)
    left = stop_left_behind(paths)
    if left:
        report(f"An earlier run was killed; stopped what it left behind ({len(left)} processes).")
    return before


class _Stack:
    """The parts of one stack, in the order of their start."""

    def __init__(
        self, paths: StackPaths, state: StackState, report: Report, services: Sequence[str]
    ) -> None:
        self._paths = paths
        self._state = state
        self._report = report
        self._services = services
        self._parts: list[Part] = []

    @property
    def was_up(self) -> bool:
        """Whether every part has answered."""
        return self._state.ready

    async def run(self, on_ready: Callable[[StackState], None]) -> None:
        """Start everything, then keep it running until cancelled."""
        await self._start()
        self._save(ready=True)
        on_ready(self._state)
        async with asyncio.TaskGroup() as group:
            for part in self._parts:
                group.create_task(part.watch())
            group.create_task(renew_service_token(self._paths, self._report))

    async def stop(self) -> None:
        """Stop everything, the last first; the services together."""
        parts, self._parts = self._parts, []
        services = [part for part in parts if part.spec.name in SERVICES]
        await asyncio.gather(*(part.stop() for part in services))
        for part in reversed(parts):
            await part.stop()
        stopped = tuple(PartState(part.spec.name, part.spec.address, None) for part in parts)
        try:
            save_state(self._paths, self._state.with_parts(stopped, ready=False))
        except StackError as error:
            # What the file names runs no more, which every reader sees for itself.
            self._report(str(error))

    async def _start(self) -> None:
        paths, state = self._paths, self._state
        passwords = load_passwords(paths)
        make_keys(paths)
        write_service_token(paths)
        provider = provider_spec(paths, state, load_provider_secrets(paths))
        port = state.ports["postgres"]
        postgres = await asyncio.to_thread(prepare_postgres, paths, port=port, passwords=passwords)
        broker = await asyncio.to_thread(broker_spec, paths, state)
        await self._start_parts([postgres.spec, broker, provider])
        await asyncio.to_thread(postgres.create_roles, passwords)
        await _all(
            [migrate(paths, state, passwords, service=service) for service in self._services]
        )
        await self._start_parts(
            [service_spec(paths, state, passwords, service=service) for service in self._services]
        )
        if "points" in self._services:
            await publish_demo_programme(paths, state)

    async def _start_parts(self, specs: Sequence[PartSpec]) -> None:
        parts = [Part(spec, self._report, self._on_change) for spec in specs]
        self._parts += parts
        await _all([part.start() for part in parts])

    def _on_change(self) -> None:
        self._save(ready=self._state.ready)

    def _save(self, *, ready: bool) -> None:
        parts = tuple(
            PartState(part.spec.name, part.spec.address, part.identity) for part in self._parts
        )
        self._state = self._state.with_parts(parts, ready=ready)
        save_state(self._paths, self._state)


async def _all(steps: Sequence[Coroutine[None, None, None]]) -> None:
    """Take steps together; the first that fails cancels the others and is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except* StackError as errors:
        raise errors.exceptions[0] from None
