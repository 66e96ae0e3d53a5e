"""Answer questions: checkouts, top-ups, shoppers, totals.

What is somebody else's does not exist for a shopper: an id that leaked tells nothing.
"""

from uuid import UUID

from services.common.kernel.errors import NotFound
from services.common.runtime.access import CallerNotAllowed
from services.common.runtime.config import CallerKind
from services.common.runtime.database import Database
from services.common.runtime.identity import Caller
from services.wallet.domain.batch import Batch
from services.wallet.domain.checkout import Checkout
from services.wallet.domain.opening import CheckoutNotFound
from services.wallet.domain.payment import Payment
from services.wallet.domain.shopper import Shopper
from services.wallet.domain.top_up import TopUp
from services.wallet.store.reports import WalletTotals, read_totals
from services.wallet.store.shelf import Shelf


class TopUpNotFound(NotFound):
    """No such top-up, or not the caller's."""

    reason = "TOP_UP_NOT_FOUND"


class Reader:
    """The questions of one shard."""

    def __init__(self, db: Database, shelf: Shelf, *, shard_id: int) -> None:
        """Take the database, and the shelf of what was used last."""
        self._db = db
        self._shelf = shelf
        self._shard_id = shard_id

    async def payment(self, payment_id: UUID) -> Payment | None:
        """Find a payment as it is now; None when there is none."""
        return (await self._load(payment_id)).payments.get(payment_id)

    async def own_checkout(
        self, checkout_id: UUID, *, caller: Caller
    ) -> tuple[Checkout, Shopper | None]:
        """Find a checkout for the shopper who calls, together with who that is.

        Raises:
            CheckoutNotFound: there is none, or another shopper has claimed it.
        """
        customer_id = shopper_id(caller)
        batch = await self._load(checkout_id, customer_id)
        checkout = _visible(batch.payments.get(checkout_id), checkout_id, caller)
        return checkout, batch.shoppers.get(customer_id)

    async def shopper(self, customer_id: UUID) -> Shopper | None:
        """Find a shopper; None for one whom the provider does not know yet."""
        return (await self._load(customer_id)).shoppers.get(customer_id)

    async def checkout(self, checkout_id: UUID, *, caller: Caller) -> Checkout:
        """Find a checkout that the caller may see.

        Raises:
            CheckoutNotFound: there is none, or another shopper has claimed it.
        """
        return _visible(await self.payment(checkout_id), checkout_id, caller)

    async def top_up(self, top_up_id: UUID, *, caller: Caller) -> TopUp:
        """Find a top-up that the caller may see.

        Raises:
            TopUpNotFound: there is none, or it is another shopper's.
        """
        found = await self.payment(top_up_id)
        if not isinstance(found, TopUp) or not may_see(caller, found):
            raise TopUpNotFound("There is no such top-up.", top_up_id=top_up_id)
        return found

    async def totals(self) -> WalletTotals:
        """Count everything. A report: it reads every row."""
        async with self._db.connection() as conn:
            return await read_totals(conn, shard_id=self._shard_id)

    async def _load(self, *subjects: UUID) -> Batch:
        batch = Batch()
        async with self._db.connection() as conn:
            await self._shelf.load(conn, batch, subjects)
        return batch


def may_see(caller: Caller, payment: Payment) -> bool:
    """Tell whether a payment exists for a caller: shoppers see their own, and what nobody has claimed."""
    if caller.kind is not CallerKind.SHOPPER or payment.customer_id is None:
        return True
    return str(payment.customer_id) == caller.subject.lower()


def _visible(found: Payment | None, checkout_id: UUID, caller: Caller) -> Checkout:
    if not isinstance(found, Checkout) or not may_see(caller, found):
        raise CheckoutNotFound("There is no such checkout.", checkout_id=checkout_id)
    return found


def shopper_id(caller: Caller) -> UUID:
    """Give the customer id of a calling shopper.

    Raises:
        CallerNotAllowed: the token's subject is no customer id, so that nothing can be the caller's.
    """
    assert caller.kind is CallerKind.SHOPPER, "the door lets shoppers in only"
    try:
        return UUID(caller.subject)
    except ValueError:
        raise CallerNotAllowed("The token's subject is no customer id (a UUID).") from None
