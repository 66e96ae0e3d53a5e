"""A part is started again whatever stands in the way, a full disk too."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from deploy.local import supervisor
from deploy.local.paths import StackPaths, stack_paths
from deploy.local.state import PartState, StackState, known_state, save_state
from deploy.local.supervisor import Part, PartSpec

STATE = StackState(clock="system", ports={}, pid=1, ready=True)


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StackPaths:
    """Return the paths of a stack, whose parts are tried again soon."""
    monkeypatch.setattr(supervisor, "_BACK_OFF_SECONDS_FIRST", 0.01)
    monkeypatch.setattr(supervisor, "_BACK_OFF_SECONDS_MAX", 0.05)
    paths = stack_paths(tmp_path / "stack")
    paths.make()
    return paths


@asynccontextmanager
async def watched(paths: StackPaths, said: list[str]) -> AsyncIterator[Part]:
    """Keep a part running that does nothing, and its state written down."""

    async def is_ready() -> bool:
        return True

    def save() -> None:
        save_state(paths, STATE.with_parts((PartState("idle", "-", part.identity),), ready=True))

    spec = PartSpec(
        name="idle",
        argv=(sys.executable, "-c", "import time; time.sleep(600)"),
        env={},
        folder=paths.root,
        log=paths.logs / "idle.log",
        address="-",
        is_ready=is_ready,
        ready_seconds_max=10,
    )
    part = Part(spec, said.append, save)
    await part.start()
    watch = asyncio.create_task(part.watch())
    try:
        yield part
        assert not watch.done()
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await part.stop()


async def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so; a test that waits for ever fails by its time limit."""
    while not is_so():  # noqa: ASYNC110 -- a list that another task fills
        await asyncio.sleep(0.01)


def kill(part: Part) -> None:
    """Let a part die."""
    assert part.identity is not None
    os.kill(part.identity.pid, 9)


class TestPart:
    async def test_is_tried_again_while_the_state_cannot_be_written(
        self, paths: StackPaths
    ) -> None:
        """The supervisor says what it cannot write and how much is free, and goes on once it can."""
        said: list[str] = []
        in_the_way = paths.state.with_name(f"{paths.state.name}.new")
        async with watched(paths, said) as part:
            in_the_way.mkdir()
            kill(part)
            await until(lambda: sum("Cannot write" in line for line in said) > 1)
            in_the_way.rmdir()
            await until(lambda: said[-1] == "idle answers again.")

            (kept,) = known_state(paths).parts
            assert kept.process == part.identity

        line = next(line for line in said if "Cannot write" in line)
        assert line.startswith(f"Cannot write {paths.state}: ")
        assert line.endswith("bytes are free on its disk.")

    async def test_is_tried_again_while_its_log_cannot_be_opened(self, paths: StackPaths) -> None:
        """A disk without room for one more file is no end either."""
        said: list[str] = []
        async with watched(paths, said) as part:
            part.spec.log.unlink()
            part.spec.log.mkdir()
            kill(part)
            await until(lambda: any(f"Cannot write {part.spec.log}" in line for line in said))
            part.spec.log.rmdir()
            await until(lambda: said[-1] == "idle answers again.")
