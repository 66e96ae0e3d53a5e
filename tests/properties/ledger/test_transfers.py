"""The short way of a transfer gives what the long way gives, whatever else a batch holds."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.ledger.domain.account import BALANCE_MAX
from services.ledger.domain.batch import changes_of, decide_all
from services.ledger.domain.book import Book
from services.ledger.domain.decide import decide
from services.ledger.domain.transaction import Basis, TransactionCommand
from services.ledger.domain.transfers import decide_transfer
from tests.ledger_commands import make_command
from tests.properties.ledger.test_fold import NAMES, START, commands, fresh_book

_DIFFERENT_TIMES = st.sampled_from((None, START - timedelta(days=2), START))


@st.composite
def transfers(draw: st.DrawFn) -> TransactionCommand:
    """A transfer of any amount, time and basis between two names, which may be unknown or of another asset."""
    first, second = draw(
        st.lists(st.sampled_from((*NAMES, "auto/x", "nobody")), min_size=2, max_size=2, unique=True)
    )
    amount = draw(st.sampled_from((1, -1, 30, -30, 10**12, -(10**12))))
    asset = draw(st.sampled_from(("EUR", "EUR", "EUR", "PTS")))
    number = UUID(int=draw(st.integers(1, 25)))
    command = make_command(number, (first, amount), (second, -amount), asset=asset)
    return command._replace(
        effective_time=draw(_DIFFERENT_TIMES), basis=draw(st.sampled_from(list(Basis)))
    )


def near_the_end(book: Book) -> Book:
    """Give the book with balances from which a transfer may lead out of range."""
    book.accounts["world"].posted = -BALANCE_MAX + 5
    book.accounts["alice"].posted = BALANCE_MAX - 5
    return book


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(transfers(), commands()), max_size=30), st.booleans())
def test_gives_what_the_long_way_gives(units: Sequence[TransactionCommand], rich: bool) -> None:
    """Outcomes, journal and balances are the same, also near the ends of the range."""
    steps = [(timedelta(0), unit) for unit in units]
    short, long = fresh_book(steps), fresh_book(steps)
    if rich:
        short, long = near_the_end(short), near_the_end(long)

    outcomes = decide_all(short, units, now=START)

    assert outcomes == [decide(long, unit, now=START) for unit in units]
    assert [_comparable(fact) for fact in short.journal] == [_comparable(f) for f in long.journal]
    assert short.balances() == long.balances()
    if not rich:
        assert changes_of(short) == changes_of(long)


def _comparable(fact: object) -> object:
    entry = getattr(fact, "entry", None)
    return fact if entry is None else (entry, list(getattr(fact, "postings", ())))


def test_a_transfer_between_open_accounts_goes_the_short_way() -> None:
    """It is recorded in one step; what it cannot take leaves the book as it was."""
    book = fresh_book([])
    seq = book.seq
    transfer = make_command(UUID(int=1), ("alice", -5), ("bob", 5))
    too_much = make_command(UUID(int=2), ("alice", -500), ("bob", 500))

    outcome = decide_transfer(book, transfer, now=START)

    assert outcome is not None
    assert (outcome.transaction_id, outcome.seq, book.seq) == (UUID(int=1), seq + 1, seq + 1)
    assert decide_transfer(book, too_much, now=START) is None
    assert decide_transfer(book, transfer, now=START) is None
    assert book.seq == seq + 1
