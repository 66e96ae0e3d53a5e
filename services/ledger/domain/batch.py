"""One batch: what its commands need from the tables, and the fold over all of them in their order."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never
from uuid import UUID

from services.ledger.domain.account import Account, AccountState
from services.ledger.domain.book import Book
from services.ledger.domain.days import DaySums, GlAccount
from services.ledger.domain.decide import AccountOpened, decide, decide_group, open_account
from services.ledger.domain.journal import Entry, Posting, Recorded, canonical_bytes
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


@dataclass(frozen=True, slots=True)
class Changes:
    """What a folded book has to write beside holds and reversals, in the shapes of the tables."""

    entries: Sequence[Entry]
    postings: Sequence[Posting]
    opened: Sequence[Account]
    fact_bytes: Sequence[bytes]
    days: DaySums
    changed: Sequence[AccountState]
    refusals: int


def changes_of(book: Book) -> Changes:
    """Gather what a batch did, and assert what no fold may ever break: every asset sums to zero."""
    entries: list[Entry] = []
    postings: list[Posting] = []
    opened: list[Account] = []
    days = DaySums()
    gl_accounts = {
        state.account.account_id: GlAccount(state.spec.gl_code, state.spec.asset)
        for state in book.accounts.values()
        if state.account is not None
    }
    for fact in book.journal:
        if isinstance(fact, Recorded):
            entries.append(fact.entry)
            postings.extend(fact.postings)
            days.add(fact, gl_accounts)
        else:
            opened.append(fact)
    touched = {posting.account_id for posting in postings}
    _assert_conserved(postings, gl_accounts)
    return Changes(
        entries=entries,
        postings=postings,
        opened=opened,
        fact_bytes=[canonical_bytes(fact) for fact in book.journal],
        days=days,
        changed=[
            state
            for state in book.accounts.values()
            if state.account is not None and state.account.account_id in touched
        ],
        refusals=sum(1 for entry in entries if entry.status),
    )


def _assert_conserved(postings: Iterable[Posting], gl_accounts: dict[int, GlAccount]) -> None:
    sums: dict[tuple[str, bool], int] = {}
    for account_id, _, layer, amount, _, _ in postings:
        key = gl_accounts[account_id].asset, layer == 0
        sums[key] = sums.get(key, 0) + amount
    assert not any(sums.values()), "a batch neither makes nor loses value"
