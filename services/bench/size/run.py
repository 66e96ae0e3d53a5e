"""A run from its folders to its report: two stacks filled one after the other, then both up and measured in turn."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import uvloop
from rich.console import Console

from deploy.local.background import stop_stack
from deploy.local.paths import stack_paths
from services.bench.errors import BenchError
from services.bench.figures import BenchReport
from services.bench.size.bench import measure
from services.bench.size.filling import fill
from services.bench.size.plan import Size, filled_so_far
from services.bench.stack import running_stack

_BYTES_PER_ROW: Final = 250
_BYTES_PER_MEMBER: Final = 1_000
_LOG_BYTES_MAX: Final = 4 * 1024**3
"""PostgreSQL's own log: as much as has been written, up to the embedded server's ``max_wal_size``."""

_GIB: Final = 1024**3


def run_size(
    sizes: Sequence[Size], *, folder: Path | None, rounds: int, console: Console
) -> BenchReport:
    """Fill what is not filled yet, and measure; a folder that is named keeps the filled stacks for the next run.

    Raises StackError, BenchError.
    """

    def report(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    with _folder(folder) as root:
        for size in sizes:
            _remove_outgrown(root / size.name, size)
        check_space(root, sizes)
        for size in sizes:
            asyncio.run(fill(root / size.name, size, report=report))
        with ExitStack() as stacks:
            report("Starting both stacks ...")
            running = [
                (size, stacks.enter_context(running_stack(stack_paths(root / size.name))))
                for size in sizes
            ]
            measured = uvloop.run(measure(running, rounds=rounds, console=console))
        for size in sizes:
            filled = filled_so_far(root / size.name, size)
            filled.rows_after = round(measured.figures.median(f"size.rows_{size.name}_after"))
            filled.save(root / size.name)
        return measured


def _remove_outgrown(folder: Path, size: Size) -> None:
    """Remove a stack that earlier runs have made much larger than it should be; it is filled anew."""
    if folder.exists() and filled_so_far(folder, size).is_outgrown:
        stop_stack(stack_paths(folder))
        shutil.rmtree(folder)


def check_space(root: Path, sizes: Sequence[Size]) -> None:
    """Raise BenchError when the stacks would not fit on the disk."""
    needed = sum(bytes_of(size) for size in sizes if not (root / size.name).exists())
    free = shutil.disk_usage(root).free
    if free < needed:
        message = (
            f"The stacks need {needed / _GIB:.1f} GiB, and {root} has {free / _GIB:.1f} GiB left. Name a folder with "
            "more space (--dir), or smaller sizes (--rows, --members)."
        )
        raise BenchError(message)


def bytes_of(size: Size) -> int:
    """Estimate what a filled stack takes on disk, PostgreSQL's log included."""
    data = size.rows * _BYTES_PER_ROW + size.members * _BYTES_PER_MEMBER
    return data + min(2 * data, _LOG_BYTES_MAX)


@contextmanager
def _folder(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{folder} cannot be the folder of the stacks: {error.strerror}."
            raise BenchError(message) from error
        yield folder
        return
    root = Path(tempfile.mkdtemp(prefix="cagnotte-bench-"))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
