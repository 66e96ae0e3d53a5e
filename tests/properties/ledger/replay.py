"""The executable model: a journal folded again, one row after the other, beside the engine's own fold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.ledger.domain.account import Account, account_id_of
from services.ledger.domain.book import HoldState
from services.ledger.domain.journal import JournalFact, Posting, Recorded, fact_seq
from services.ledger.domain.transaction import ACCEPTED, Kind, Layer

_END_STATES = {
    Kind.HOLD_POSTED: HoldState.POSTED,
    Kind.HOLD_VOIDED: HoldState.VOIDED,
    Kind.HOLD_EXPIRED: HoldState.EXPIRED,
}


@dataclass(slots=True)
class ReplayedHold:
    """A hold as the journal tells it: the row of ``hold`` must say the same."""

    expire_time: datetime
    state: HoldState
    resolve_seq: int | None


@dataclass(slots=True)
class ReplayedAccount:
    """An account as the journal tells it. ``balances`` is by layer: settled, held out (not positive), held in."""

    account: Account
    balances: list[int] = field(default_factory=lambda: [0, 0, 0])


@dataclass(slots=True)
class Replay:
    """Folds one shard's facts in the order of their numbers and says where they contradict themselves.

    It keeps one small record for each account, hold, reversal and settled transaction.
    """

    shard_id: int
    seq: int = 0
    opened: int = 0
    transactions: int = 0
    refusals: int = 0
    postings: int = 0
    accounts: dict[int, ReplayedAccount] = field(default_factory=dict)
    holds: dict[UUID, ReplayedHold] = field(default_factory=dict)
    settled: dict[UUID, dict[int, int]] = field(default_factory=dict)
    """What is left of each settled transaction, by account, signed."""
    reversals: list[tuple[UUID, int]] = field(default_factory=list)

    def apply(self, fact: JournalFact) -> Iterator[str]:
        """Fold one fact; yield a sentence for each contradiction. Consume the iterator whole."""
        seq = fact_seq(fact)
        if seq != self.seq + 1:
            yield f"seq {seq} follows {self.seq}"
        self.seq = seq
        if isinstance(fact, Account):
            yield from self._open(fact)
        else:
            yield from self._record(fact)

    def _open(self, account: Account) -> Iterator[str]:
        self.opened += 1
        expected = account_id_of(shard_id=self.shard_id, open_seq=account.open_seq)
        if account.account_id != expected:
            yield f"account {account.account_id} is not the one opened at seq {account.open_seq}"
        self.accounts[account.account_id] = ReplayedAccount(account)

    def _record(self, recorded: Recorded) -> Iterator[str]:
        entry, postings = recorded
        self.postings += len(postings)
        if entry.status != ACCEPTED:
            self.refusals += 1
            if postings:
                yield f"seq {entry.seq} is refused and has postings"
            return
        self.transactions += 1
        if not postings:
            yield f"seq {entry.seq} is accepted and has no posting"
        yield from self._post(entry.seq, postings)
        yield from self._follow(recorded)

    def _post(self, seq: int, postings: Sequence[Posting]) -> Iterator[str]:
        """Add up postings: settled value and held value each sum to zero per asset."""
        sums: dict[tuple[str, bool], int] = {}
        for posting in postings:
            known = self.accounts.get(posting.account_id)
            if known is None:
                yield f"seq {seq} posts to account {posting.account_id}, which is not open"
                continue
            key = (known.account.asset, posting.layer == Layer.SETTLED)
            sums[key] = sums.get(key, 0) + posting.amount
            known.balances[posting.layer] += posting.amount
            if known.balances[posting.layer] != posting.balance_after:
                yield f"seq {seq} leaves account {posting.account_id} at another balance than it says"
                known.balances[posting.layer] = posting.balance_after
            settled, held_out, held_in = known.balances
            floor = known.account.floor
            if floor is not None and settled + held_out < floor:
                yield f"seq {seq} takes account {posting.account_id} below its floor"
            if held_out > 0 or held_in < 0:
                yield f"seq {seq} releases more of account {posting.account_id} than is held"
        yield from (
            f"seq {seq} does not sum to zero in {asset}"
            for (asset, _), total in sums.items()
            if total
        )

    def _follow(self, recorded: Recorded) -> Iterator[str]:
        """Follow holds and reversals through their states."""
        entry = recorded.entry
        kind = Kind(entry.kind)
        if kind is Kind.HOLD:
            if entry.expire_time is None:
                yield f"seq {entry.seq} is a hold without an expire time"
                return
            self.holds[entry.transaction_id] = ReplayedHold(entry.expire_time, HoldState.OPEN, None)
        elif kind is Kind.REVERSAL:
            yield from self._take_back(recorded)
        elif kind is not Kind.POSTED:
            hold = self.holds.get(entry.target_id) if entry.target_id else None
            if hold is None or hold.state is not HoldState.OPEN:
                yield f"seq {entry.seq} ends a hold that is not open"
                return
            hold.state, hold.resolve_seq = _END_STATES[kind], entry.seq
        if kind in (Kind.POSTED, Kind.HOLD_POSTED):
            self.settled[entry.transaction_id] = {
                p.account_id: p.amount for p in recorded.postings if p.layer == Layer.SETTLED
            }

    def _take_back(self, recorded: Recorded) -> Iterator[str]:
        """Take a reversal off what is left of its original: it may only come nearer to zero."""
        entry = recorded.entry
        left = self.settled.get(entry.target_id) if entry.target_id else None
        if entry.target_id is None or left is None:
            yield f"seq {entry.seq} reverses nothing that was settled"
            return
        for posting in recorded.postings:
            before = left.get(posting.account_id, 0)
            after = left[posting.account_id] = before + posting.amount
            if abs(after) >= abs(before) or after * before < 0:
                yield f"seq {entry.seq} takes back more of account {posting.account_id} than is left"
        self.reversals.append((entry.target_id, entry.seq))
