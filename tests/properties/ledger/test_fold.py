"""The fold under any commands: money is conserved, floors and holds stand, retries and batches change nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain.account import Account, AccountSpec
from services.ledger.domain.book import Book, HoldState
from services.ledger.domain.decide import decide, decide_group, open_account
from services.ledger.domain.expiry import expire_hold
from services.ledger.domain.journal import JournalFact, canonical_bytes
from services.ledger.domain.transaction import (
    Kind,
    LinkedGroup,
    OpenAccount,
    Outcome,
    TransactionCommand,
)
from tests.ledger_commands import make_command
from tests.properties.ledger.replay import Replay

START = datetime(2017, 1, 1, tzinfo=UTC)
NAMES = ("world", "alice", "bob", "carol")
Legs = tuple[tuple[str, int], ...]
Unit = TransactionCommand | LinkedGroup
Step = tuple[timedelta, Unit]


class AutoChart:
    """Opens ``auto/...`` accounts by itself."""

    def spec_for(self, name: str) -> AccountSpec | None:
        """Describe an account with floor 0."""
        return AccountSpec(name, "EUR", 0, "467100") if name.startswith("auto/") else None


def numbered(
    number: int, kind: Kind, legs: Legs, target: int | None, expire_time: datetime | None
) -> TransactionCommand:
    """Make a command whose id is a small number, so that ids collide often."""
    target_id = UUID(int=target) if target is not None else None
    return make_command(
        UUID(int=number), *legs, kind=kind, target_id=target_id, expire_time=expire_time
    )


@st.composite
def balanced_legs(draw: st.DrawFn) -> Legs:
    """Two to four legs on distinct accounts that sum to zero."""
    names = draw(
        st.lists(
            st.sampled_from((*NAMES, "auto/x", "auto/y", "nobody")),
            min_size=2,
            max_size=4,
            unique=True,
        )
    )
    amounts = draw(
        st.lists(
            st.integers(-30, 30).filter(bool), min_size=len(names) - 1, max_size=len(names) - 1
        ).filter(lambda amounts: sum(amounts) != 0)
    )
    return tuple(zip(names, (*amounts, -sum(amounts)), strict=True))


@st.composite
def commands(draw: st.DrawFn) -> TransactionCommand:
    """Any command; targets and ids come from the same small range."""
    kind = draw(st.sampled_from(list(Kind)))
    number, target = draw(st.integers(1, 25)), draw(st.integers(1, 25))
    if kind is Kind.HOLD_EXPIRED:
        return expire_hold(UUID(int=target), expire_time=START + timedelta(hours=4))
    if kind in (Kind.POSTED, Kind.HOLD):
        expire_time = START + timedelta(hours=4) if kind is Kind.HOLD else None
        return numbered(number, kind, draw(balanced_legs()), None, expire_time)
    with_part = kind is not Kind.HOLD_VOIDED and draw(st.booleans())
    legs = draw(balanced_legs()) if with_part else ()
    return numbered(number, kind, legs, target, None)


units = st.one_of(
    commands(), st.lists(commands(), min_size=1, max_size=4).map(lambda c: LinkedGroup(tuple(c)))
)
steps = st.lists(
    st.tuples(st.integers(0, 60).map(lambda m: timedelta(minutes=m)), units), max_size=30
)


def targets_of(units: Iterable[Unit]) -> set[UUID]:
    """Give the originals that units name."""
    members = [c for u in units for c in (u.commands if isinstance(u, LinkedGroup) else (u,))]
    return {c.target_id for c in members if c.target_id is not None}


def fresh_book(all_steps: Sequence[Step]) -> Book:
    """Give a book with the four accounts open and some money on them."""
    book = Book(shard_id=0, seq=0, chart=AutoChart(), targets=targets_of(u for _, u in all_steps))
    for name in NAMES:
        floor = None if name == "world" else 0
        open_account(book, OpenAccount(name, "EUR", floor, "467100"), now=START)
    fund = (("world", -150), *((name, 50) for name in NAMES[1:]))
    decide(book, numbered(100, Kind.POSTED, fund, None, None), now=START)
    return book


def fold(book: Book, some_steps: Iterable[Step], now: datetime) -> tuple[list[Outcome], datetime]:
    """Fold steps one after the other; each moves the clock."""
    outcomes: list[Outcome] = []
    for wait, unit in some_steps:
        now += wait
        if isinstance(unit, LinkedGroup):
            outcomes.extend(decide_group(book, unit, now=now))
        else:
            outcomes.append(decide(book, unit, now=now))
    return outcomes, now


def reload(book: Book) -> Book:
    """Give the book that a next batch would load from the tables that this one wrote."""
    loaded = Book(shard_id=0, seq=book.seq, chart=AutoChart(), targets=book.targets)
    for state in book.accounts.values():
        assert state.account is not None
        loaded.load_account(
            state.account,
            posted=state.posted,
            pending_out=state.pending_out,
            pending_in=state.pending_in,
        )
    loaded.frozen.update(book.frozen)
    loaded.holds.update(book.holds)
    loaded.originals.update({i: replace(original) for i, original in book.originals.items()})
    return loaded


def replay(journal: Iterable[JournalFact]) -> Replay:
    """Fold the journal again; any contradiction fails the test."""
    replayed = Replay(0)
    for fact in journal:
        assert list(replayed.apply(fact)) == []
    return replayed


@settings(max_examples=300, deadline=None)
@given(steps)
def test_conservation_floors_and_holds(some_steps: list[Step]) -> None:
    """Balances sum to zero, no floor is crossed, and what is held is the sum of the open holds."""
    book = fresh_book(some_steps)

    fold(book, some_steps, START)

    states = book.accounts.values()
    assert sum(state.posted for state in states) == 0
    assert sum(state.pending_in - state.pending_out for state in states) == 0
    for state in states:
        floor = state.spec.floor
        assert floor is None or state.posted - state.pending_out >= floor
    held: dict[str, list[int]] = {name: [0, 0] for name in book.accounts}
    for hold in book.holds.values():
        if hold.state is HoldState.OPEN:
            for name, amount in hold.legs:
                held[name][amount > 0] += abs(amount)
    assert {n: [s.pending_out, s.pending_in] for n, s in book.accounts.items()} == held


@settings(max_examples=300, deadline=None)
@given(steps)
def test_the_journal_tells_everything(some_steps: list[Step]) -> None:
    """The journal is gapless and folds again to the same balances, holds and reversals."""
    book = fresh_book(some_steps)

    fold(book, some_steps, START)
    replayed = replay(book.journal)

    balances = {
        a.account.name: (a.balances[0], -a.balances[1], a.balances[2])
        for a in replayed.accounts.values()
    }
    assert balances == book.balances()
    assert replayed.seq == book.seq
    assert {i: (h.state, h.resolve_seq) for i, h in replayed.holds.items()} == {
        i: (h.state, h.resolve_seq) for i, h in book.holds.items()
    }
    assert replayed.reversals == book.reversals
    assert len({canonical_bytes(fact) for fact in book.journal}) == book.seq


@settings(max_examples=200, deadline=None)
@given(steps)
def test_sending_all_again_changes_nothing(some_steps: list[Step]) -> None:
    """A second delivery of every command gives the frozen outcomes and moves nothing."""
    book = fresh_book(some_steps)
    _, now = fold(book, some_steps, START)
    seq, balances = book.seq, book.balances()
    recorded = {i for i, f in book.frozen.items() if f.seq}

    again, _ = fold(book, [(timedelta(), unit) for _, unit in some_steps], now)

    for outcome in again:
        if outcome.replayed:
            assert outcome.seq == book.frozen[outcome.transaction_id].seq
    # Only what left no trace before (an expiry not due, a member of no group) may be recorded now.
    fresh = {i for i, f in book.frozen.items() if f.seq > seq}
    assert not fresh & recorded
    if not fresh:
        assert (book.seq, book.balances()) == (seq, balances)


@settings(max_examples=200, deadline=None)
@given(steps, st.integers(0, 30))
def test_a_split_batch_is_one_batch(some_steps: list[Step], cut: int) -> None:
    """Where a batch ends makes no difference: the same outcomes and the same bytes of the journal."""
    whole = fresh_book(some_steps)
    expected, _ = fold(whole, some_steps, START)

    first = fresh_book(some_steps)
    outcomes, now = fold(first, some_steps[:cut], START)
    second = reload(first)
    more, _ = fold(second, some_steps[cut:], now)

    assert outcomes + more == expected
    assert second.balances() == whole.balances()
    journal = [*first.journal, *second.journal]
    assert [canonical_bytes(f) for f in journal] == [canonical_bytes(f) for f in whole.journal]


@settings(max_examples=200, deadline=None)
@given(steps, st.lists(commands(), min_size=1, max_size=6))
def test_a_group_is_all_or_nothing(
    some_steps: list[Step], members: list[TransactionCommand]
) -> None:
    """When any member is refused, no balance moves, no account opens and no hold changes."""
    everything = [*some_steps, (timedelta(), LinkedGroup(tuple(members)))]
    book = fresh_book(everything)
    _, now = fold(book, some_steps, START)
    balances = book.balances()
    holds = {i: (h.state, h.resolve_seq) for i, h in book.holds.items()}

    outcomes = decide_group(book, LinkedGroup(tuple(members)), now=now)

    if any(outcome.status for outcome in outcomes):
        assert book.balances() == balances
        assert {i: (h.state, h.resolve_seq) for i, h in book.holds.items()} == holds
    replay(book.journal)


def test_an_account_is_its_opening() -> None:
    """The account of a reloaded book is the one that its opening describes."""
    book = fresh_book([])

    assert all(isinstance(fact, Account) for fact in book.journal[: len(NAMES)])
