"""The fold: decides one command after the other against a book.

Everything that the ledger refuses or does is here and in ``plans``. It is deterministic: the same commands over an
equal book, at the same ``now``, give the same outcomes and the same book. A refusal changes nothing but its own stored
outcome.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from services.ledger.domain.account import Account, AccountSpec, AccountState
from services.ledger.domain.book import Book, Frozen, Hold, HoldState, Original
from services.ledger.domain.journal import Entry, Posting, Recorded
from services.ledger.domain.plans import RULES, Movement, check_bounds, named_hold, original_of
from services.ledger.domain.transaction import (
    ACCEPTED,
    Basis,
    Kind,
    Layer,
    LinkedGroup,
    OpenAccount,
    Outcome,
    Refusal,
    TransactionCommand,
)

_SETTLED: Final = int(Layer.SETTLED)
_HELD_OUT: Final = int(Layer.HELD_OUT)
_HELD_IN: Final = int(Layer.HELD_IN)


class AccountOpened(NamedTuple):
    """The account that an ``OpenAccount`` asked for; ``replayed`` when it was open before."""

    account: Account
    replayed: bool


def decide(book: Book, command: TransactionCommand, *, now: datetime) -> Outcome:
    """Decide one transaction: replay its frozen outcome, refuse it, or record it.

    A reused id and an expiry that is not due leave no trace; every other decision takes the next number.
    """
    known = book.frozen.get(command.transaction_id)
    if known is not None:
        return replay_outcome(command, known)
    plan = RULES[command.kind](book, command, now)
    if not isinstance(plan, Refusal):
        refusal = check_bounds(plan)
        if refusal is None:
            return _accept(book, command, plan, now=now)
        plan = refusal
    if command.kind is Kind.HOLD_EXPIRED:
        return Outcome(command.transaction_id, plan, 0, now, replayed=False)
    return _refuse(book, command, plan, now=now)


def decide_group(book: Book, group: LinkedGroup, *, now: datetime) -> list[Outcome]:
    """Decide linked transactions all or nothing, in their order.

    When one is refused, all that are not already recorded are refused: it for its own reason, the others with
    LINK_GROUP_FAILED. A retry of the whole group replays every outcome.
    """
    mark = book.begin_group()
    outcomes: list[Outcome] = []
    for position, command in enumerate(group.commands):
        outcome = decide(book, command, now=now)
        if outcome.status != ACCEPTED:
            book.roll_back(mark)
            return _refuse_group(book, group, failed_at=position, why=outcome, now=now)
        outcomes.append(outcome)
    book.end_group()
    return outcomes


def open_account(book: Book, command: OpenAccount, *, now: datetime) -> AccountOpened | Refusal:
    """Open an account, or give the open one when it is the same.

    A name that the chart opens by itself is opened as the chart says or not at all: an account of another kind under it
    would refuse what the posting rules book there.
    """
    spec = AccountSpec(command.name, command.asset, command.floor, command.gl_code)
    if book.chart.spec_for(command.name) not in (None, spec):
        return Refusal.ACCOUNT_DIFFERS
    state = book.accounts.get(command.name)
    if state is None:
        state = AccountState(spec, None, posted=0, pending_out=0, pending_in=0)
        return AccountOpened(book.open_account(state, now=now), replayed=False)
    assert state.account is not None, "accounts of a book are open"
    if not state.account.matches(spec):
        return Refusal.ACCOUNT_DIFFERS
    return AccountOpened(state.account, replayed=True)


def replay_outcome(command: TransactionCommand, known: Frozen | Entry) -> Outcome:
    """Answer an id that is already decided: its outcome again, or REQUEST_ID_REUSED for other content."""
    if known.request_hash != command.request_hash:
        reused = Refusal.REQUEST_ID_REUSED
        return Outcome(command.transaction_id, reused, 0, known.recorded_time, replayed=False)
    return Outcome(
        command.transaction_id, known.status, known.seq, known.recorded_time, replayed=True
    )


def _refuse_group(
    book: Book, group: LinkedGroup, *, failed_at: int, why: Outcome, now: datetime
) -> list[Outcome]:
    outcomes = []
    for position, command in enumerate(group.commands):
        known = book.frozen.get(command.transaction_id)
        if known is not None:
            outcomes.append(replay_outcome(command, known))
        elif position == failed_at:
            outcomes.append(_refuse(book, command, Refusal(why.status), now=now))
        else:
            outcomes.append(_refuse(book, command, Refusal.LINK_GROUP_FAILED, now=now))
    return outcomes


def _accept(
    book: Book, command: TransactionCommand, plan: list[Movement], *, now: datetime
) -> Outcome:
    for movement in plan:
        if movement.state.account is None:
            book.open_account(movement.state, now=now)
    seq = book.seq + 1
    postings: list[Posting] = []
    for movement in plan:
        _apply(book, movement, seq, postings)
    postings.sort()
    basis: int = command.basis
    if command.kind is not Kind.POSTED:
        basis = _note_target(book, command, plan, seq)
    return _record(book, command, postings, status=ACCEPTED, basis=basis, now=now)


def _apply(book: Book, movement: Movement, seq: int, postings: list[Posting]) -> None:
    state, settled, out, held_in = movement
    account = state.account
    assert account is not None, "it was opened above"
    account_id = account.account_id
    shard_id = book.shard_id
    if book.undo is not None:
        before = (state.posted, state.pending_out, state.pending_in)
        book.undo.append(partial(state.restore, *before))
    if settled:
        state.posted += settled
        postings.append(Posting(account_id, seq, _SETTLED, settled, state.posted, shard_id))
    if out:
        state.pending_out += out
        postings.append(Posting(account_id, seq, _HELD_OUT, -out, -state.pending_out, shard_id))
    if held_in:
        state.pending_in += held_in
        postings.append(Posting(account_id, seq, _HELD_IN, held_in, state.pending_in, shard_id))


_END_STATES: Final = {
    Kind.HOLD_POSTED: HoldState.POSTED,
    Kind.HOLD_VOIDED: HoldState.VOIDED,
    Kind.HOLD_EXPIRED: HoldState.EXPIRED,
}


def _note_target(book: Book, command: TransactionCommand, plan: list[Movement], seq: int) -> int:
    """Note what a command does beside its postings, and give the basis it counts for."""
    match command.kind:
        case Kind.HOLD:
            assert command.expire_time is not None, "the codec requires it"
            legs = tuple((m.state.spec.name, m.held_in - m.out) for m in plan)
            hold = Hold(command.transaction_id, legs, command.expire_time, HoldState.OPEN, None)
            book.holds[hold.hold_id] = hold
            book.new_holds.append(hold)
            if book.undo is not None:
                book.undo.append(partial(book.holds.pop, hold.hold_id))
        case Kind.HOLD_POSTED | Kind.HOLD_VOIDED | Kind.HOLD_EXPIRED:
            ended = named_hold(book, command)
            assert ended is not None, "the plan found it"
            ended.state, ended.resolve_seq = _END_STATES[command.kind], seq
            book.ended_holds.append(ended)
            if book.undo is not None:
                book.undo.append(ended.restore)
        case Kind.REVERSAL:
            original = original_of(book, command)
            assert original is not None, "the plan found it"
            assert command.target_id is not None, "the plan found it"
            if book.undo is not None:
                book.undo.append(partial(original.restore, original.left))
            original.take_back({m.state.spec.name: -m.settled for m in plan})
            book.reversals.append((command.target_id, seq))
            # A reversal takes back what counted, so it counts in the same books.
            return original.basis
        case Kind.POSTED:
            pass
    return command.basis


def _refuse(book: Book, command: TransactionCommand, refusal: Refusal, *, now: datetime) -> Outcome:
    return _record(book, command, [], status=refusal, basis=command.basis, now=now)


def _record(
    book: Book,
    command: TransactionCommand,
    postings: list[Posting],
    *,
    status: int,
    basis: int,
    now: datetime,
) -> Outcome:
    """Give a decision the next number, keep it for retries, and keep it as an original when a reversal names it."""
    book.seq = seq = book.seq + 1
    transaction_id = command.transaction_id
    entry = Entry(
        transaction_id,
        book.shard_id,
        seq,
        command.kind,
        status,
        command.effective_time or now,
        now,
        basis,
        command.purpose,
        command.reference,
        command.target_id,
        command.expire_time,
        command.request_hash,
    )
    book.journal.append(Recorded(entry, postings))
    book.frozen[transaction_id] = entry
    if book.undo is not None:
        book.undo.append(partial(_forget, book, transaction_id))
    if transaction_id in book.targets and status == ACCEPTED:
        book.originals[transaction_id] = _as_original(book, entry, postings)
    return Outcome(transaction_id, status, seq, now, replayed=False)


def _forget(book: Book, transaction_id: UUID) -> None:
    book.frozen.pop(transaction_id)
    book.originals.pop(transaction_id, None)


def _as_original(book: Book, entry: Entry, postings: Sequence[Posting]) -> Original:
    legs = tuple(
        (book.accounts_by_id[posting.account_id].spec.name, posting.amount)
        for posting in postings
        if posting.layer == _SETTLED
    )
    return Original(entry.kind, Basis(entry.basis), legs)
