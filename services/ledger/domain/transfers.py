"""The fold's short way for what nearly every command is: a transfer between two open accounts.

It does in one pass what ``decide`` does in steps, and only where nothing can be special: it refuses nothing and opens
nothing. Whatever it cannot take goes the long way, with the same result.
"""

from datetime import datetime
from typing import Final

from services.ledger.domain.account import BALANCE_MAX, AccountState
from services.ledger.domain.book import Book
from services.ledger.domain.journal import Entry, Posting, Recorded
from services.ledger.domain.transaction import ACCEPTED, Kind, Layer, Outcome, TransactionCommand

_SETTLED: Final = int(Layer.SETTLED)
_LEGS: Final = 2

_FAR_FROM_THE_END: Final = BALANCE_MAX // 2
"""Balances nearer to zero than this are in range; of others the long way decides."""


def decide_transfer(book: Book, command: TransactionCommand, *, now: datetime) -> Outcome | None:
    """Accept and record a plain transfer that is not decided yet, or give None: then nothing has changed."""
    transaction_id, kind, legs, effective_time, basis = command[:5]
    if (
        kind is not Kind.POSTED
        or len(legs) != _LEGS
        or book.undo is not None
        or transaction_id in book.frozen
        or transaction_id in book.targets
    ):
        return None
    (name, amount, asset), (other_name, other_amount, other_asset) = legs
    state, other = book.accounts.get(name), book.accounts.get(other_name)
    if state is None or other is None or state.asset != asset or other.asset != other_asset:
        return None
    posted, other_posted = state.posted + amount, other.posted + other_amount
    if not (_is_free(state, posted) and _is_free(other, other_posted)):
        return None
    state.posted, other.posted = posted, other_posted
    shard_id = book.shard_id
    book.seq = seq = book.seq + 1
    entry = Entry(
        transaction_id,
        shard_id,
        seq,
        kind,
        ACCEPTED,
        effective_time or now,
        now,
        basis,
        command.purpose,
        command.reference,
        None,
        None,
        command.request_hash,
    )
    first = Posting(state.account_id, seq, _SETTLED, amount, posted, shard_id)
    second = Posting(other.account_id, seq, _SETTLED, other_amount, other_posted, shard_id)
    book.journal.append(Recorded(entry, (first, second) if first < second else (second, first)))
    book.frozen[transaction_id] = entry
    return Outcome(transaction_id, ACCEPTED, seq, now, replayed=False)


def _is_free(state: AccountState, posted: int) -> bool:
    """Tell that an account may have this balance without a closer look."""
    pending_out, floor = state.pending_out, state.floor
    return (
        (floor is None or posted - pending_out >= floor)
        and -_FAR_FROM_THE_END < posted < _FAR_FROM_THE_END
        and pending_out < _FAR_FROM_THE_END
    )
