"""The provider's state in SQLite: everything it has answered is there after a kill.

Used by one thread only; who calls decides what one transaction is.
"""

import json
import os
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

from services.simulator.sandbox.documents import Document

_SECRET_BYTES: Final = 32
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class SavedAnswer:
    """The first answer under an idempotency key."""

    endpoint: str
    content: bytes
    """Hash of the request."""
    status: int
    body: bytes
    request_id: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook to be delivered."""

    seq: int
    payload: str
    """The event as JSON."""
    attempts: int
    """How often it was tried in vain."""
    badly_signed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which part of a list is asked for, newest first."""

    limit: int = 10
    starting_after: int | None = None
    """Position (``seq``) after which, that is: before which in time."""
    ending_before: int | None = None
    created: tuple[int | None, int | None] = (None, None)
    """First and last second."""


class Store:
    """One connection to the state."""

    def __init__(self, path: Path | str) -> None:
        """Open the database of a file, making it when it is new; ``:memory:`` is for tests."""
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing by it; only a machine that loses power may lose the last moment.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(
            resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
        )

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def run(self, statement: str) -> None:
        """Execute a statement of a transaction's frame (BEGIN, SAVEPOINT ...)."""
        self._db.execute(statement)

    def secret(self, name: str) -> bytes:
        """Return a random secret of this folder, made when it is first asked for."""
        made = os.urandom(_SECRET_BYTES)
        self._db.execute("INSERT OR IGNORE INTO secret (name, value) VALUES (?, ?)", (name, made))
        found = self._db.execute("SELECT value FROM secret WHERE name = ?", (name,)).fetchone()
        return bytes(found[0])

    def get(self, object_id: str) -> Document | None:
        """Return the object of an id."""
        row = self._db.execute("SELECT body FROM object WHERE id = ?", (object_id,)).fetchone()
        return None if row is None else json.loads(row[0])

    def put(self, document: Document) -> None:
        """Write an object, new or changed; its kind and its time stay what they were."""
        self._db.execute(
            "INSERT INTO object (id, kind, created, customer, payment_intent, body) VALUES (?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (id) DO UPDATE SET customer = excluded.customer, body = excluded.body",
            (
                document["id"],
                document["object"],
                document["created"],
                document.get("customer"),
                document.get("payment_intent"),
                _encode(document),
            ),
        )

    def add_event(self, event: Document) -> int:
        """Append an event and return its position."""
        cursor = self._db.execute(
            "INSERT INTO event (id, type, created, body) VALUES (?, ?, ?, ?)",
            (event["id"], event["type"], event["created"], _encode(event)),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def event(self, event_id: str) -> tuple[int, Document] | None:
        """Return an event and its position."""
        row = self._db.execute("SELECT seq, body FROM event WHERE id = ?", (event_id,)).fetchone()
        return None if row is None else (row[0], json.loads(row[1]))

    def position(self, object_id: str) -> int | None:
        """Return the position of an object or event in its lists."""
        for table in ("object", "event"):
            query = f"SELECT seq FROM {table} WHERE id = ?"  # noqa: S608 -- one of two names
            row = self._db.execute(query, (object_id,)).fetchone()
            if row is not None:
                return int(row[0])
        return None

    def list_objects(
        self,
        kind: str,
        page: Page,
        *,
        customer: str | None = None,
        payment_intent: str | None = None,
    ) -> tuple[list[Document], bool]:
        """Return a page of objects of a kind, newest first, and whether there is more."""
        conditions, values = ["kind = ?"], [kind]
        for column, value in (("customer", customer), ("payment_intent", payment_intent)):
            if value is not None:
                conditions.append(f"{column} = ?")
                values.append(value)
        return self._list("object", conditions, values, page)

    def list_events(self, types: Sequence[str], page: Page) -> tuple[list[Document], bool]:
        """Return a page of events, newest first, and whether there is more; no types means all."""
        conditions = [f"type IN ({', '.join('?' * len(types))})"] if types else []
        return self._list("event", conditions, list(types), page)

    def saved_answer(self, key: str) -> SavedAnswer | None:
        """Return the first answer under an idempotency key."""
        row = self._db.execute(
            "SELECT endpoint, content, status, body, request_id FROM saved_answer WHERE key = ?",
            (key,),
        ).fetchone()
        if row is None:
            return None
        return SavedAnswer(row[0], bytes(row[1]), row[2], zlib.decompress(row[3]), row[4])

    def save_answer(self, key: str, answer: SavedAnswer, *, now: int) -> None:
        """Keep the first answer under an idempotency key."""
        self._db.execute(
            "INSERT INTO saved_answer (key, endpoint, content, status, body, request_id, created) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                *(key, answer.endpoint, answer.content, answer.status),
                *(zlib.compress(answer.body, 1), answer.request_id, now),
            ),
        )

    def forget_answers(self, *, before: int) -> None:
        """Forget the answers of old keys: a key lives for a day at least, not for ever."""
        self._db.execute("DELETE FROM saved_answer WHERE created < ?", (before,))

    def has_struck(self, stage: str, subject: str) -> bool:
        """Tell whether a subject's fault at a stage has struck."""
        query = "SELECT 1 FROM struck_fault WHERE stage = ? AND subject = ?"
        return self._db.execute(query, (stage, subject)).fetchone() is not None

    def mark_struck(self, stage: str, subject: str) -> None:
        """Remember that a subject's fault at a stage has struck."""
        self._db.execute(
            "INSERT INTO struck_fault (stage, subject) VALUES (?, ?)", (stage, subject)
        )

    def add_delivery(self, event_seq: int, *, due: float, badly_signed: bool = False) -> None:
        """Plan the delivery of an event."""
        self._db.execute(
            "INSERT INTO delivery (event_seq, due, attempts, badly_signed) VALUES (?, ?, 0, ?)",
            (event_seq, due, badly_signed),
        )

    def due_deliveries(self, *, now: float, limit: int) -> list[Delivery]:
        """Return deliveries whose time has come, the longest due first."""
        rows = self._db.execute(
            "SELECT d.seq, e.body, d.attempts, d.badly_signed FROM delivery AS d "
            "JOIN event AS e ON e.seq = d.event_seq WHERE d.due <= ? ORDER BY d.due LIMIT ?",
            (now, limit),
        )
        return [Delivery(row[0], row[1], row[2], bool(row[3])) for row in rows]

    def next_delivery(self) -> float | None:
        """Return when the next delivery is due."""
        due: float | None = self._db.execute("SELECT min(due) FROM delivery").fetchone()[0]
        return due

    def end_delivery(self, seq: int) -> None:
        """Forget a delivery: it has arrived, or it never will."""
        self._db.execute("DELETE FROM delivery WHERE seq = ?", (seq,))

    def postpone_delivery(self, seq: int, *, due: float) -> None:
        """Try a delivery again later."""
        self._db.execute(
            "UPDATE delivery SET attempts = attempts + 1, due = ? WHERE seq = ?", (due, seq)
        )

    def totals(self) -> dict[str, dict[str, int]]:
        """Return count and sum of what is captured, refunded, canceled, reserved and failed."""
        intents = {
            row[0]: (row[1], row[2], row[3], row[4])
            for row in self._db.execute(
                "SELECT json_extract(body, '$.status'), count(*), sum(json_extract(body, '$.amount')), "
                "sum(json_extract(body, '$.amount_received')), sum(json_extract(body, '$.amount_capturable')) "
                "FROM object WHERE kind = 'payment_intent' GROUP BY 1"
            )
        }
        nothing = (0, 0, 0, 0)
        refunds = self._db.execute(
            "SELECT count(*), coalesce(sum(json_extract(body, '$.amount')), 0) FROM object WHERE kind = 'refund'"
        ).fetchone()
        captured, canceled = intents.get("succeeded", nothing), intents.get("canceled", nothing)
        reserved = intents.get("requires_capture", nothing)
        failed = intents.get("requires_payment_method", nothing)
        return {
            "captured": {"count": captured[0], "minor": captured[2]},
            "refunded": {"count": refunds[0], "minor": refunds[1]},
            "canceled": {"count": canceled[0], "minor": canceled[1]},
            "open": {"count": reserved[0], "minor": reserved[3]},
            "failed": {"count": failed[0], "minor": failed[1]},
        }

    def reset(self) -> None:
        """Forget everything but the folder's secrets."""
        for table in ("object", "event", "saved_answer", "struck_fault", "delivery"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 -- names of ours

    def _list(
        self, table: str, conditions: Sequence[str], values: Sequence[Any], page: Page
    ) -> tuple[list[Document], bool]:
        bounds = {
            "seq < ?": page.starting_after,
            "seq > ?": page.ending_before,
            # Time goes with the position, and a list is short by it only when it begins by it.
            f"seq >= coalesce(({_first_since(table)}), 1 << 62)": page.created[0],
            "created <= ?": page.created[1],
        }
        asked = {condition: bound for condition, bound in bounds.items() if bound is not None}
        where = " AND ".join([*conditions, *asked]) or "1"
        # The page before an object is the one next to it, not the first of all.
        order = "DESC" if page.ending_before is None else "ASC"
        rows = self._db.execute(
            f"SELECT body FROM {table} WHERE {where} ORDER BY seq {order} LIMIT ?",  # noqa: S608 -- our own names
            (*values, *asked.values(), page.limit + 1),
        ).fetchall()
        found = [json.loads(row[0]) for row in rows[: page.limit]]
        if page.ending_before is not None:
            found.reverse()
        return found, len(rows) > page.limit


def _first_since(table: str) -> str:
    return f"SELECT seq FROM {table} WHERE created >= ? ORDER BY created, seq LIMIT 1"  # noqa: S608 -- one of our own
