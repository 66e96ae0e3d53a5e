"""Reversals in parts: whatever the parts, they never exceed the whole and end where one reversal of it does."""

from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.ledger.domain.book import Book
from services.ledger.domain.decide import decide, open_account
from services.ledger.domain.transaction import Kind, OpenAccount, Outcome, Refusal
from tests.properties.ledger.test_fold import AutoChart, Legs, numbered, replay

NOW = datetime(2017, 1, 1, tzinfo=UTC)
ORIGINAL = 1
TAKERS = ("b", "c", "d")
Split = list[tuple[int, int, int]]
"""What each part takes back of each of the three receivers."""


def book_with(received: tuple[int, int, int]) -> Book:
    """Give a book of unbounded accounts in which one giver moved something to each receiver."""
    book = Book(shard_id=0, seq=0, chart=AutoChart(), targets={UUID(int=ORIGINAL)})
    for name in ("a", *TAKERS):
        open_account(book, OpenAccount(name, "EUR", None, "467100"), now=NOW)
    decide(book, numbered(ORIGINAL, Kind.POSTED, legs_of(received), None, None), now=NOW)
    return book


def legs_of(amounts: tuple[int, int, int]) -> Legs:
    """Give the legs of the original, or of a part of it; receivers without an amount are left out."""
    taken = zip(TAKERS, amounts, strict=True)
    return (("a", -sum(amounts)), *((name, amount) for name, amount in taken if amount))


def take_back(book: Book, number: int, amounts: tuple[int, int, int] | None) -> Outcome:
    """Reverse a part of the original, or what is left of it."""
    legs = legs_of(amounts) if amounts else ()
    return decide(book, numbered(number, Kind.REVERSAL, legs, ORIGINAL, None), now=NOW)


@st.composite
def splits(draw: st.DrawFn) -> Split:
    """Parts, none of them empty, in any order."""
    amounts = st.integers(0, 9)
    parts = st.lists(st.tuples(amounts, amounts, amounts).filter(any), min_size=1, max_size=6)
    return draw(parts.filter(lambda split: all(map(sum, zip(*split, strict=True)))))


@given(splits(), st.booleans())
def test_any_split_ends_as_the_whole(split: Split, rest_without_legs: bool) -> None:
    """The balances are those before the original, and nothing more can be taken back."""
    first, second, third = (sum(column) for column in zip(*split, strict=True))
    whole, parts = book_with((first, second, third)), book_with((first, second, third))

    take_back(whole, 2, None)
    for number, part in enumerate(split, 2):
        last = number == len(split) + 1
        outcome = take_back(parts, number, None if last and rest_without_legs else part)
        assert outcome.status == 0

    assert parts.balances() == whole.balances()
    for book in (whole, parts):
        assert take_back(book, 50, None).refusal is Refusal.ALREADY_REVERSED
        assert take_back(book, 51, (1, 1, 1)).refusal is Refusal.ALREADY_REVERSED
        replay(book.journal)


@given(splits(), splits())
def test_what_is_taken_back_never_exceeds_what_was_moved(moved: Split, wanted: Split) -> None:
    """A part is taken when each of its legs is still there, and refused whole otherwise."""
    first, second, third = (sum(column) for column in zip(*moved, strict=True))
    book = book_with((first, second, third))
    left = [first, second, third]

    for number, part in enumerate(wanted, 2):
        outcome = take_back(book, number, part)
        fits = all(amount <= rest for amount, rest in zip(part, left, strict=True))
        assert (outcome.status == 0) is fits
        if fits:
            left = [rest - amount for amount, rest in zip(part, left, strict=True)]

    assert [book.balances()[name][0] for name in TAKERS] == left
