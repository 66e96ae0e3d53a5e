"""One batch: what its commands need from the tables, and the fold over all of them in their order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import assert_never
from uuid import UUID

from services.ledger.domain.account import Account, AccountState
from services.ledger.domain.book import Book
from services.ledger.domain.days import DaySums
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
            results.append(decide(book, unit, now=now))
        elif isinstance(unit, LinkedGroup):
            results.append(decide_group(book, unit, now=now))
        elif isinstance(unit, OpenAccount):
            results.append(open_account(book, unit, now=now))
        else:
            assert_never(unit)
    return results


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
    fact_bytes: list[bytes] = field(default_factory=list)
    days: DaySums = field(default_factory=DaySums)
    refusals: int = 0


class ChangeLog:
    """Gathers what a book did while it is folded: ``take_new`` after some units, ``finish`` after all."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._changes = Changes()
        self._taken = 0
        self._states: dict[int, AccountState] = {}
        self._accounts: dict[int, Account] = {}
        for state in book.accounts.values():
            assert state.account is not None, "accounts of a book are open"
            self._note(state, state.account)

    def _note(self, state: AccountState, account: Account) -> None:
        self._states[account.account_id] = state
        self._accounts[account.account_id] = account

    def take_new(self) -> None:
        """Take over the facts that were recorded since the last time; no linked group may be open."""
        book, changes = self._book, self._changes
        assert book.undo is None, "what is taken cannot be taken back"
        fact_bytes, accounts = changes.fact_bytes, self._accounts
        for fact in islice(book.journal, self._taken, None):
            fact_bytes.append(canonical_bytes(fact))
            if isinstance(fact, Account):
                changes.opened.append(fact)
                self._note(book.accounts[fact.name], fact)
                continue
            changes.entries.append(fact.entry)
            if fact.entry.status:
                changes.refusals += 1
            changes.postings.extend(fact.postings)
            changes.days.add(fact, accounts)
        self._taken = len(book.journal)

    def finish(self) -> Changes:
        """Give all that the batch did, and assert what no fold may ever break: every asset sums to zero."""
        self.take_new()
        changes = self._changes
        _assert_conserved(changes.postings, self._accounts)
        opened = {account.account_id for account in changes.opened}
        touched = {posting[0] for posting in changes.postings}
        for account_id, state in self._states.items():
            row = (account_id, state.posted, state.pending_out, state.pending_in)
            if account_id in opened:
                changes.opened_balances.append(row)
            elif account_id in touched:
                changes.balances.append(row)
        return changes


def changes_of(book: Book) -> Changes:
    """Gather what a batch did, all at once."""
    return ChangeLog(book).finish()


def _assert_conserved(postings: Iterable[Posting], accounts: dict[int, Account]) -> None:
    sums: dict[tuple[str, bool], int] = {}
    for account_id, _, layer, amount, _, _ in postings:
        key = accounts[account_id].asset, layer == 0
        sums[key] = sums.get(key, 0) + amount
    assert not any(sums.values()), "a batch neither makes nor loses value"
