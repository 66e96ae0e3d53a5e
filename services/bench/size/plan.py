"""How large a stack is to be, and where its filling stands."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from services.bench.errors import BenchError

_MEMBERS_PER_TICKET: Final = 10
_ROWS_PER_TICKET: Final = 11
"""Transactions, postings and openings that the books of a ticket come to, about."""

_ROWS_PER_TRANSFER: Final = 3
_OUTGROWN: Final = 2
_FILE: Final = "filled.json"


@dataclass(frozen=True, slots=True)
class Size:
    """What a stack holds before anything is measured: rows of the ledger's journal, and members."""

    name: str
    rows: int
    members: int

    @property
    def tickets(self) -> int:
        """How many tickets are recorded and booked: one for every tenth member."""
        return self.members // _MEMBERS_PER_TICKET

    @property
    def transfers(self) -> int:
        """How many transfers make up the rows that the books of the tickets do not."""
        return max(0, self.rows - _ROWS_PER_TICKET * self.tickets) // _ROWS_PER_TRANSFER


def parse_sizes(rows: str, members: str) -> tuple[Size, Size]:
    """Read ``SMALL,LARGE`` of rows and of members; raises BenchError when they are not two numbers that grow."""
    small_rows, large_rows = _pair(rows, "--rows")
    small_members, large_members = _pair(members, "--members")
    return Size("small", small_rows, small_members), Size("large", large_rows, large_members)


def _pair(text: str, option: str) -> tuple[int, int]:
    parts = text.replace("_", "").split(",")
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit()]
    match numbers:
        case [small, large] if len(parts) == len(numbers) and 0 < small <= large:
            return small, large
    message = f"{option} takes two numbers with a comma between them, the small one first: {text!r} is none."
    raise BenchError(message)


@dataclass(slots=True)
class Filled:
    """What a folder's stack is to hold, and how far that is beyond what its tables tell."""

    rows: int
    members: int
    booked_seq: int = 0
    """The last fact of points that the ledger has booked."""
    proven: bool = False
    rows_after: int = 0
    """Rows of the journal after the last run that measured, which adds some."""

    @property
    def is_outgrown(self) -> bool:
        """Tell whether runs have added so much that this is another size."""
        return self.rows_after > _OUTGROWN * self.rows

    def save(self, folder: Path) -> None:
        """Write it down."""
        (folder / _FILE).write_text(json.dumps(asdict(self)), encoding="utf-8")


def filled_so_far(folder: Path, size: Size) -> Filled:
    """Read how far a folder's stack is filled; raises BenchError when it is filled to another size."""
    file = folder / _FILE
    try:
        filled = Filled(**json.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Filled(size.rows, size.members)
    except (ValueError, TypeError) as error:
        message = f"{file} cannot be understood ({error}): name another folder."
        raise BenchError(message) from error
    if (filled.rows, filled.members) != (size.rows, size.members):
        message = (
            f"{folder} is filled to {filled.rows:,} rows and {filled.members:,} members: name another folder, or these "
            "numbers."
        )
        raise BenchError(message)
    return filled
