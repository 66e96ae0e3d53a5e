"""One batch: what its commands need from the tables, and the fold over all of them in their order."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import Final, assert_never
from uuid import UUID

from services.ledger.domain.account import Account, AccountState
from services.ledger.domain.book import Book
from services.ledger.domain.days import AccountDays, DaySums, GlDay
from services.ledger.domain.decide import AccountOpened, decide, decide_group, open_account
from services.ledger.domain.journal import Entry, Posting, canonical_bytes
from services.ledger.domain.transaction import (
    Kind,
    LinkedGroup,
    OpenAccount,
    Outcome,
    Refusal,
    TransactionCommand,
)
from services.ledger.domain.transfers import decide_transfer

Unit = TransactionCommand | LinkedGroup | OpenAccount
"""What is decided as one: a transaction, a linked group, or the opening of an account."""

Result = Outcome | list[Outcome] | AccountOpened | Refusal
"""What becomes of a unit: an outcome, one for each member of a group, the account, or why it was not opened."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a batch touches: accounts by name, its own ids, and the holds and originals that it names.

    ``must_look_up`` tells that a repetition might leave no trace by which the journal's key would show it: an expiry
    whose hold has ended meanwhile is not recorded.
    """

    names: frozenset[str]
    ids: Sequence[UUID]
    targets: frozenset[UUID]
    must_look_up: bool


def needs_of(units: Iterable[Unit]) -> Needs:
    """Gather what must be loaded before units can be decided."""
    names: set[str] = set()
    commands: list[TransactionCommand] = []
    for unit in units:
        if isinstance(unit, TransactionCommand):
            commands.append(unit)
        elif isinstance(unit, LinkedGroup):
            commands.extend(unit.commands)
        else:
            names.add(unit.name)
    for command in commands:
        names.update([leg[0] for leg in command.legs])
    return Needs(
        names=frozenset(names),
        ids=[command.transaction_id for command in commands],
        targets=frozenset([c.target_id for c in commands if c.target_id is not None]),
        must_look_up=any(c.kind is Kind.HOLD_EXPIRED for c in commands),
    )


def decide_all(book: Book, units: Iterable[Unit], *, now: datetime) -> list[Result]:
    """Fold units over a book in their order; one result for each."""
    results: list[Result] = []
    for unit in units:
        if isinstance(unit, TransactionCommand):
            outcome = decide_transfer(book, unit, now=now)
            if outcome is None:
                outcome = decide(book, unit, now=now)
            results.append(outcome)
        elif isinstance(unit, LinkedGroup):
            results.append(decide_group(book, unit, now=now))
        elif isinstance(unit, OpenAccount):
            results.append(open_account(book, unit, now=now))
        else:
            assert_never(unit)
    return results


_HOLD_KINDS: Final = frozenset((Kind.HOLD, Kind.HOLD_POSTED, Kind.HOLD_VOIDED, Kind.HOLD_EXPIRED))
"""Kinds whose postings may lie in a held layer."""

BalanceRow = tuple[int, int, int, int]
"""An account's id with its three balances: posted, pending_out, pending_in."""


@dataclass(slots=True)
class Changes:
    """What a folded book has to write beside holds and reversals, in the shapes of the tables.

    It holds values only: the states of accounts go on changing under the next batch while this one is written.
    """

    entries: list[Entry] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    opened: list[Account] = field(default_factory=list)
    opened_balances: list[BalanceRow] = field(default_factory=list)
    balances: list[BalanceRow] = field(default_factory=list)
    account_days: AccountDays = field(default_factory=dict)
    gl_days: list[GlDay] = field(default_factory=list)
    fact_bytes: list[bytes] = field(default_factory=list)
    refusals: int = 0


class ChangeLog:
    """Gathers what a book did while it is folded: ``take_new`` after some units, ``finish`` after all."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._changes = Changes()
        self._taken = 0
        self._days = DaySums()
        self._held: dict[int, int] = {}

    def take_new(self) -> None:
        """Take over the facts that were recorded since the last time; no linked group may be open."""
        book, changes, days = self._book, self._changes, self._days
        assert book.undo is None, "what is taken cannot be taken back"
        fact_bytes, entries, postings = changes.fact_bytes, changes.entries, changes.postings
        for fact in islice(book.journal, self._taken, None):
            fact_bytes.append(canonical_bytes(fact))
            if isinstance(fact, Account):
                changes.opened.append(fact)
                continue
            entry = fact.entry
            entries.append(entry)
            if entry.status:
                changes.refusals += 1
                continue
            postings += fact.postings
            days.add(fact)
            if entry.kind in _HOLD_KINDS:
                self._take_held(fact.postings)
        self._taken = len(book.journal)

    def _take_held(self, postings: Iterable[Posting]) -> None:
        """Note the sums of held postings, which no day counts."""
        held = self._held
        for account_id, _, layer, amount, _, _ in postings:
            if layer:
                held[account_id] = held.get(account_id, 0) + amount

    def finish(self) -> Changes:
        """Give all that the batch did, and assert what no fold may ever break: every asset sums to zero."""
        self.take_new()
        changes, states = self._changes, self._book.accounts_by_id
        changes.account_days = self._days.by_account()
        changes.gl_days = self._days.by_gl(states)
        self._assert_conserved()
        touched = dict.fromkeys(chain(*changes.account_days.values(), self._held))
        opened = {account.account_id: None for account in changes.opened}
        changes.opened_balances = _balance_rows(opened, states)
        if opened:
            touched = {account_id: None for account_id in touched if account_id not in opened}
        changes.balances = _balance_rows(touched, states)
        return changes

    def _assert_conserved(self) -> None:
        sums: dict[tuple[str, str], int] = {}
        for _, asset, _, _, _, debit, credit in self._changes.gl_days:
            sums[asset, "settled"] = sums.get((asset, "settled"), 0) + credit - debit
        for account_id, amount in self._held.items():
            asset = self._book.accounts_by_id[account_id].asset
            sums[asset, "held"] = sums.get((asset, "held"), 0) + amount
        assert not any(sums.values()), "a batch neither makes nor loses value"


def _balance_rows(
    account_ids: Iterable[int], states: Mapping[int, AccountState]
) -> list[BalanceRow]:
    rows = []
    for account_id in account_ids:
        state = states[account_id]
        rows.append((account_id, state.posted, state.pending_out, state.pending_in))
    return rows


def changes_of(book: Book) -> Changes:
    """Gather what a batch did, all at once."""
    return ChangeLog(book).finish()
