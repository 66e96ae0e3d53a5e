"""Values -> responses."""

from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp

from cagnotte.ledger.v1 import error_reason_pb2, ledger_pb2
from services.common.kernel.chain import epoch_micros
from services.ledger.domain.account import Account
from services.ledger.domain.journal import Entry, Recorded
from services.ledger.domain.journal import Posting as PostingRecord
from services.ledger.domain.transaction import Layer, Outcome

_MICROS_PER_SECOND: Final = 1_000_000
_ACCEPTED: Final = ledger_pb2.OUTCOME_STATUS_ACCEPTED
_REFUSED: Final = ledger_pb2.OUTCOME_STATUS_REFUSED
_LAYERS: Final = {
    int(Layer.SETTLED): ledger_pb2.LAYER_SETTLED,
    int(Layer.HELD_OUT): ledger_pb2.LAYER_HELD_OUT,
    int(Layer.HELD_IN): ledger_pb2.LAYER_HELD_IN,
}


def render_time(time: datetime) -> Timestamp:
    """Render an aware time exactly."""
    seconds, micros = divmod(epoch_micros(time), _MICROS_PER_SECOND)
    return Timestamp(seconds=seconds, nanos=micros * 1000)


# A batch has one time of recording. Only ever copied into a message: what is cached must not change.
_recorded_time: Final = lru_cache(maxsize=64)(render_time)


def render_outcome(outcome: Outcome) -> ledger_pb2.Outcome:
    """Render what became of a command."""
    return ledger_pb2.Outcome(
        transaction_id=str(outcome.transaction_id),
        status=_REFUSED if outcome.status else _ACCEPTED,
        reason=error_reason_pb2.ErrorReason.ValueType(outcome.status),
        seq=outcome.seq,
        recorded_time=_recorded_time(outcome.recorded_time),
        replayed=outcome.replayed,
    )


def render_account(account: Account) -> ledger_pb2.Account:
    """Render an account."""
    return ledger_pb2.Account(
        name=account.name,
        asset=account.asset,
        floor=account.floor,
        gl_code=account.gl_code,
        open_seq=account.open_seq,
        open_time=render_time(account.open_time),
    )


def render_posting(posting: PostingRecord, account: Account) -> ledger_pb2.Posting:
    """Render a posting with the account that it changed."""
    return ledger_pb2.Posting(
        account=account.name,
        side=ledger_pb2.SIDE_CREDIT if posting.amount > 0 else ledger_pb2.SIDE_DEBIT,
        amount=abs(posting.amount),
        asset=account.asset,
        layer=_LAYERS[posting.layer],
        balance_after=posting.balance_after,
    )


def render_transaction(recorded: Recorded, accounts: dict[int, Account]) -> ledger_pb2.Transaction:
    """Render a recorded transaction; ``accounts`` is by id and holds every account of its postings."""
    entry = recorded.entry
    message = _entry(entry)
    by_name = sorted([(accounts[p.account_id].name, p.layer, p) for p in recorded.postings])
    message.postings.extend([render_posting(p, accounts[p.account_id]) for _, _, p in by_name])
    return message


def _entry(entry: Entry) -> ledger_pb2.Transaction:
    recorded_time = effective_time = render_time(entry.recorded_time)
    if entry.effective_time != entry.recorded_time:
        effective_time = render_time(entry.effective_time)
    return ledger_pb2.Transaction(
        transaction_id=str(entry.transaction_id),
        seq=entry.seq,
        kind=ledger_pb2.TransactionKind.ValueType(entry.kind),
        status=_REFUSED if entry.status else _ACCEPTED,
        reason=error_reason_pb2.ErrorReason.ValueType(entry.status),
        effective_time=effective_time,
        recorded_time=recorded_time,
        basis=ledger_pb2.Basis.ValueType(entry.basis),
        purpose=entry.purpose,
        reference=entry.reference,
        target_id=str(entry.target_id) if entry.target_id else "",
        expire_time=render_time(entry.expire_time) if entry.expire_time else None,
    )


def render_balance(
    account: Account,
    *,
    posted: int,
    pending_out: int,
    pending_in: int,
    available: int | None,
    seq: int,
) -> ledger_pb2.Balance:
    """Render an account's balances."""
    return ledger_pb2.Balance(
        account=account.name,
        asset=account.asset,
        posted=posted,
        pending_out=pending_out,
        pending_in=pending_in,
        available=available,
        seq=seq,
    )


def render_statement_line(
    posting: PostingRecord,
    account: Account,
    *,
    transaction_id: UUID,
    effective_time: datetime,
    recorded_time: datetime,
    purpose: str,
    reference: str,
) -> ledger_pb2.StatementLine:
    """Render one line of a statement."""
    return ledger_pb2.StatementLine(
        transaction_id=str(transaction_id),
        seq=posting.seq,
        effective_time=render_time(effective_time),
        recorded_time=render_time(recorded_time),
        purpose=purpose,
        reference=reference,
        posting=render_posting(posting, account),
    )


def render_trial_balance_line(
    *, gl_code: str, label: str, asset: str, basis: int, debit: int, credit: int
) -> ledger_pb2.TrialBalanceLine:
    """Render one line of the trial balance."""
    return ledger_pb2.TrialBalanceLine(
        gl_code=gl_code,
        label=label,
        asset=asset,
        basis=ledger_pb2.Basis.ValueType(basis),
        debit=debit,
        credit=credit,
    )
