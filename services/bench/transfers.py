"""Transfers to post: two legs between accounts that open by themselves, written before the clock runs."""

import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final, Generic, TypeVar

from cagnotte.ledger.v1 import ledger_pb2
from cagnotte.ledger.v1 import ledger_service_pb2 as pb
from services.common.kernel.ids import new_uuid7

ACCOUNTS: Final = 10_000
"""Accounts that transfers choose from at random; with so many, few meet in one batch."""

BATCH: Final = 500
"""Transfers of one batch, as in the figures' names."""

HOT_ACCOUNT: Final = "gl/530000/stores/hot"

R = TypeVar("R")


def account_name(number: int) -> str:
    """Name an account: a store's till, which opens when it is first named and may go below zero."""
    return f"gl/530000/stores/{number:06d}"


class TransferMaker:
    """Makes transfers; the same numbers in every run, under new ids."""

    def __init__(self, *, seed: int) -> None:
        """Take the seed of its choices."""
        self._random = random.Random(seed)  # noqa: S311 -- the same choices in every run

    def transfer(self, *, hot: bool = False) -> ledger_pb2.TransactionCommand:
        """Make one transfer; a hot one takes from the account that all the others take from too."""
        first, second = self._random.sample(range(ACCOUNTS), 2)
        amount = self._random.randrange(1, 10_000)
        return ledger_pb2.TransactionCommand(
            transaction_id=str(new_uuid7()),
            purpose="bench",
            post=ledger_pb2.Post(
                legs=[
                    ledger_pb2.Leg(
                        account=HOT_ACCOUNT if hot else account_name(first),
                        side=ledger_pb2.SIDE_DEBIT,
                        amount=amount,
                        asset="EUR",
                    ),
                    ledger_pb2.Leg(
                        account=account_name(second),
                        side=ledger_pb2.SIDE_CREDIT,
                        amount=amount,
                        asset="EUR",
                    ),
                ]
            ),
        )

    def batch(self, *, hot: bool = False) -> pb.BatchPostTransactionsRequest:
        """Make a batch."""
        return pb.BatchPostTransactionsRequest(
            transactions=[self.transfer(hot=hot) for _ in range(BATCH)]
        )

    def written_batch(self) -> bytes:
        """Make a batch as it goes over the wire."""
        return self.batch().SerializeToString()

    def written_hot_batch(self) -> bytes:
        """Make a batch on the hot account as it goes over the wire."""
        return self.batch(hot=True).SerializeToString()

    def written_unary(self) -> bytes:
        """Make a request with one transfer as it goes over the wire."""
        return pb.PostTransactionRequest(transaction=self.transfer()).SerializeToString()


class Supply(Generic[R]):
    """Requests made ahead, as many as the last round used; when they run out it makes more on the way."""

    def __init__(self, make: Callable[[], R], *, first: int) -> None:
        """Take the maker, and how many requests to have for the first round."""
        self._make = make
        self._wanted = first
        self._made: deque[R] = deque()
        self._used = 0

    def refill(self, *, at_least: int = 0) -> None:
        """Make what the next round will take, by what the last one took or is known beforehand."""
        self._wanted = max(self._wanted, self._used + self._used // 5, at_least)
        self._used = 0
        while len(self._made) < self._wanted:
            self._made.append(self._make())

    def __iter__(self) -> Iterator[R]:
        """Give requests without end."""
        while True:
            self._used += 1
            yield self._made.popleft() if self._made else self._make()
