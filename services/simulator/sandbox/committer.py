"""One thread that owns the state: what waits is executed together in one transaction, then everybody is answered."""

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from services.simulator.sandbox.store import Store

T = TypeVar("T")

_BATCH_MAX: Final = 100


@dataclass(slots=True)
class _Item:
    work: Callable[[Store], Any]
    done: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None


class Committer:
    """Executes work on the state off the event loop; an answer means that it is on disk."""

    def __init__(self, path: Path | str) -> None:
        """Take the database's file; ``start`` opens it."""
        self._path = path
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop = asyncio.get_running_loop()

    async def run(self, work: Callable[[Store], T]) -> T:
        """Execute the work in a transaction and return what it returns; its exception undoes only itself.

        Work that raises must have left the state as it was (``Provider.answer`` does).
        """
        done: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Item(work, done))
        return await done

    async def __aenter__(self) -> Self:
        """Open the state; raises sqlite3.Error when that fails."""
        opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._serve, args=(opened,), daemon=True)
        self._thread.start()
        await opened
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finish what waits and close the state."""
        self._queue.put(None)
        assert self._thread is not None, "entered before"
        await asyncio.to_thread(self._thread.join)

    def _serve(self, opened: "asyncio.Future[None]") -> None:
        try:
            store = Store(self._path)
        except Exception as error:  # noqa: BLE001 -- told to whoever waits for the start
            self._loop.call_soon_threadsafe(opened.set_exception, error)
            return
        self._loop.call_soon_threadsafe(opened.set_result, None)
        try:
            while (batch := self._gather()) is not None:
                _commit(store, batch)
                self._loop.call_soon_threadsafe(_tell, batch)
        finally:
            store.close()

    def _gather(self) -> list[_Item] | None:
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < _BATCH_MAX:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if item is None:
                # Executed last, then the end is found again.
                self._queue.put(None)
                break
            batch.append(item)
        return batch


def _commit(store: Store, batch: list[_Item]) -> None:
    try:
        store.run("BEGIN IMMEDIATE")
        for item in batch:
            try:
                item.result = item.work(store)
            except Exception as error:  # noqa: BLE001 -- told to whoever waits for it
                item.error = error
        store.run("COMMIT")
    except sqlite3.Error as error:
        # Nothing of the batch was done, and all are told.
        with contextlib.suppress(sqlite3.Error):
            store.run("ROLLBACK")
        for item in batch:
            item.error = error


def _tell(batch: list[_Item]) -> None:
    for item in batch:
        if item.done.done():
            continue
        if item.error is not None:
            item.done.set_exception(item.error)
        else:
            item.done.set_result(item.result)
