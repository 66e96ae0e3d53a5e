"""What each kind of transaction would do to the accounts, or why it is refused.

A plan changes nothing: the fold applies it as a whole once its bounds are checked.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.ledger.domain.account import BALANCE_MAX, AccountState
from services.ledger.domain.book import Book, Hold, HoldState, Original
from services.ledger.domain.transaction import Kind, Refusal, TransactionCommand


class Movement(NamedTuple):
    """What a command would do to one account: changes of its three balances, all credit positive but ``out``.

    ``out`` and ``held_in`` change ``pending_out`` and ``pending_in``, which are never negative.
    """

    state: AccountState
    settled: int
    out: int
    held_in: int


Rule = Callable[[Book, TransactionCommand, datetime], "list[Movement] | Refusal"]


def check_bounds(plan: Iterable[Movement]) -> Refusal | None:
    """Refuse a plan that would take an account below its floor or out of range. An account occurs once in a plan."""
    for state, settled, out, held_in in plan:
        posted = state.posted + settled
        pending_out = state.pending_out + out
        if max(abs(posted), pending_out, state.pending_in + held_in, pending_out - posted) > (
            BALANCE_MAX
        ):
            return Refusal.BALANCE_OVERFLOW
        floor = state.spec.floor
        if floor is not None and posted - pending_out < floor:
            return Refusal.INSUFFICIENT_FUNDS
    return None


def _plan_post(book: Book, command: TransactionCommand, _now: datetime) -> list[Movement] | Refusal:
    accounts = book.accounts
    plan = []
    for name, amount, asset in command.legs:
        state = accounts.get(name) or book.find_account(name)
        if state is None:
            return Refusal.ACCOUNT_NOT_FOUND
        if state.spec.asset != asset:
            return Refusal.ASSET_MISMATCH
        plan.append(Movement(state, amount, 0, 0))
    return plan


def _plan_hold(book: Book, command: TransactionCommand, now: datetime) -> list[Movement] | Refusal:
    assert command.expire_time is not None, "the codec requires it"
    if command.expire_time <= now:
        return Refusal.EXPIRE_TIME_PASSED
    plan = _plan_post(book, command, now)
    if isinstance(plan, Refusal):
        return plan
    return [_held(state, amount) for state, amount, _, _ in plan]


def _plan_post_hold(
    book: Book, command: TransactionCommand, now: datetime
) -> list[Movement] | Refusal:
    hold = _open_hold(book, command, now)
    if isinstance(hold, Refusal):
        return hold
    part = _part_of(book, command, hold.legs)
    if isinstance(part, Refusal):
        return part
    plan = []
    for name, amount in hold.legs:
        state, _, out, held_in = _held(book.accounts[name], amount)
        plan.append(Movement(state, part.get(name, 0), -out, -held_in))
    return plan


def _plan_void_hold(
    book: Book, command: TransactionCommand, now: datetime
) -> list[Movement] | Refusal:
    hold = _open_hold(book, command, now)
    return hold if isinstance(hold, Refusal) else _release(book, hold)


def _plan_expire_hold(
    book: Book, command: TransactionCommand, now: datetime
) -> list[Movement] | Refusal:
    hold = named_hold(book, command)
    if hold is None:
        return Refusal.HOLD_NOT_FOUND
    if hold.state is not HoldState.OPEN or hold.expire_time > now:
        return Refusal.HOLD_CLOSED
    return _release(book, hold)


def _plan_reversal(
    book: Book, command: TransactionCommand, _now: datetime
) -> list[Movement] | Refusal:
    """Swap the sides of what is left of an original, or of a part of it.

    Together the reversals of one original never take back more than it moved, account by account, and whatever the
    parts, they end where one reversal of the whole does.
    """
    original = original_of(book, command)
    if original is None:
        return Refusal.TRANSACTION_NOT_FOUND
    if original.kind not in (Kind.POSTED, Kind.HOLD_POSTED):
        return Refusal.NOT_REVERSIBLE
    if not original.left:
        return Refusal.ALREADY_REVERSED
    part = _part_of(book, command, original.left)
    if isinstance(part, Refusal):
        return part
    return [Movement(book.accounts[name], -amount, 0, 0) for name, amount in part.items()]


RULES: Final[Mapping[Kind, Rule]] = {
    Kind.POSTED: _plan_post,
    Kind.HOLD: _plan_hold,
    Kind.HOLD_POSTED: _plan_post_hold,
    Kind.HOLD_VOIDED: _plan_void_hold,
    Kind.HOLD_EXPIRED: _plan_expire_hold,
    Kind.REVERSAL: _plan_reversal,
}


def _held(state: AccountState, amount: int) -> Movement:
    """Reserve a signed amount: what would go out on a debit, come in on a credit."""
    return Movement(state, 0, -amount, 0) if amount < 0 else Movement(state, 0, 0, amount)


def _release(book: Book, hold: Hold) -> list[Movement]:
    plan = []
    for name, amount in hold.legs:
        state, _, out, held_in = _held(book.accounts[name], amount)
        plan.append(Movement(state, 0, -out, -held_in))
    return plan


def named_hold(book: Book, command: TransactionCommand) -> Hold | None:
    """Find the hold that a command names."""
    assert command.target_id is not None, "a command about a hold names it"
    return book.holds.get(command.target_id)


def original_of(book: Book, command: TransactionCommand) -> Original | None:
    """Find the accepted transaction that a reversal names."""
    assert command.target_id is not None, "a reversal names its original"
    return book.originals.get(command.target_id)


def _open_hold(book: Book, command: TransactionCommand, now: datetime) -> Hold | Refusal:
    """Find the hold that a command ends. Its time is checked here, whether the sweep has come by or not."""
    hold = named_hold(book, command)
    if hold is None:
        return Refusal.HOLD_NOT_FOUND
    if hold.state is HoldState.EXPIRED:
        return Refusal.HOLD_EXPIRED
    if hold.state is not HoldState.OPEN:
        return Refusal.HOLD_CLOSED
    return Refusal.HOLD_EXPIRED if hold.expire_time <= now else hold


def _part_of(
    book: Book, command: TransactionCommand, whole: Sequence[tuple[str, int]]
) -> dict[str, int] | Refusal:
    """Give the signed amounts that a command takes of a whole: all of it, or its own legs when they fit."""
    if not command.legs:
        return dict(whole)
    limits = dict(whole)
    for name, amount, asset in command.legs:
        limit = limits.get(name, 0)
        if limit * amount <= 0 or abs(amount) > abs(limit):
            return Refusal.PART_EXCEEDS_WHOLE
        if book.accounts[name].spec.asset != asset:
            return Refusal.ASSET_MISMATCH
    return {name: amount for name, amount, _ in command.legs}
