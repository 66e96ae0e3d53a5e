"""Batches on a real database: what the tables say is what the facts say, whoever wrote them."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from services.common.kernel.ids import new_uuid7
from services.common.runtime.database import Database
from services.common.runtime.journal import read_fact_bytes, verify_chain
from services.wallet.codec.basket import parse_new_basket
from services.wallet.codec.journal import parse_event
from services.wallet.domain.batch import Batch
from services.wallet.domain.checkout import Checkout, CheckoutState
from services.wallet.domain.opening import CheckoutNotOpen, ClaimedByAnother, TicketKeyTaken
from services.wallet.domain.payment import Payment
from services.wallet.domain.tender import TenderKind
from services.wallet.store.outbox import CheckoutFacts
from services.wallet.store.projection import PaymentRow, ReferenceRow, payment_row, reference_row
from services.wallet.usecases.expire_checkouts import expire_checkouts
from tests.integration.wallet.world import TILL, Wallet, World, run_wallet, somebody_else, ticket

_LOSE_ROWS = """
CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER lose BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION lose();
"""


async def folded(db: Database) -> tuple[Batch, set[ReferenceRow]]:
    """Fold the journal again, from its bytes."""
    batch, references = Batch(), set[ReferenceRow]()
    async with db.connection() as conn:
        for fact in await conn.fetch("SELECT event_type, payload FROM fact ORDER BY seq"):
            event = parse_event(fact["event_type"], fact["payload"])
            batch.take(event)
            row = reference_row(event)
            references |= {row} if row is not None else set()
    return batch, references


async def assert_tables_are_folds(db: Database) -> None:
    """Compare every row of the projections with the journal folded again, and check the chain."""
    batch, references = await folded(db)
    columns = ", ".join(PaymentRow._fields)
    async with db.connection() as conn:
        rows = await conn.fetch(f"SELECT {columns} FROM payment")
        names = ", ".join(ReferenceRow._fields)
        named = await conn.fetch(f"SELECT {names} FROM payment_reference")
        chain = await verify_chain(conn, 0, read_fact_bytes)
    assert {tuple(row) for row in rows} == {
        tuple(payment_row(payment)) for payment in batch.payments.values()
    }
    assert {tuple(row) for row in named} == {tuple(row) for row in references}
    assert chain.ok


class TestProjections:
    async def test_are_the_facts_folded(self, wallet: Wallet) -> None:
        """Settled, declined, cancelled, refunded, topped up: each row follows from the journal."""
        wallet.world.purse.available[TenderKind.PREPAID] = 100_000
        await wallet.enrol("pm_card_visa")
        paid, cancelled, refunded = [await wallet.open_claimed() for _ in range(3)]
        await wallet.pay(paid)
        await wallet.pay(refunded, [TenderKind.CARD])
        await wallet.checkouts.refund(refunded, request_id=new_uuid7())
        await wallet.checkouts.cancel(cancelled, caller=TILL)
        await wallet.open_checkout()

        await assert_tables_are_folds(wallet.db)

    async def test_are_the_facts_folded_when_two_processes_write(self, world: World) -> None:
        """Each sees what the other has committed, although it keeps its own folds in memory."""
        async with run_wallet(world) as one, run_wallet(world) as two:
            await one.enrol("pm_card_visa")
            world.purse.available[TenderKind.PREPAID] = 1_000_000
            for turn in range(6):
                first, second = (one, two) if turn % 2 else (two, one)
                checkout_id = await first.open_checkout()
                await second.checkouts.claim(checkout_id, caller=world.shopper)
                await first.pay(checkout_id, [TenderKind.PREPAID])
                checkout = await second.read(checkout_id)
                assert checkout.state is CheckoutState.SETTLED
                assert await first.read(checkout_id) == checkout

            await assert_tables_are_folds(one.db)

    async def test_two_processes_paying_at_once_is_one_payment(self, world: World) -> None:
        """The head's lock puts their batches in order: one begins, the others find it begun."""
        async with run_wallet(world) as one, run_wallet(world) as two:
            world.purse.available[TenderKind.PREPAID] = 1_000_000
            checkout_id = await one.open_claimed()

            answers = await asyncio.gather(
                *(wallet.pay(checkout_id, [TenderKind.PREPAID]) for wallet in (one, two, one, two)),
                return_exceptions=True,
            )

            assert sum(isinstance(answer, CheckoutNotOpen) for answer in answers) == 3
            assert len(world.purse.holds) == 1
            await assert_tables_are_folds(one.db)

    async def test_what_another_process_wrote_meanwhile_is_seen(self, world: World) -> None:
        """A process that remembers an older end of the journal neither writes nor answers from what it remembers."""
        async with run_wallet(world) as one, run_wallet(world) as two:
            claimed, cancelled = [await one.open_checkout() for _ in range(2)]
            await one.checkouts.claim(cancelled, caller=world.shopper)
            await two.checkouts.claim(claimed, caller=world.shopper)
            await two.checkouts.cancel(cancelled, caller=TILL)

            with pytest.raises(ClaimedByAnother):
                await one.checkouts.claim(claimed, caller=somebody_else())
            another = new_uuid7()
            await two.checkouts.open(another, parse_new_basket(ticket(another, sequence=99)))
            repeated = await one.checkouts.claim(cancelled, caller=world.shopper)

            assert isinstance(repeated, Checkout)
            assert repeated.state is CheckoutState.CANCELLED
            await assert_tables_are_folds(one.db)


class TestGuard:
    """A batch is whole, or PostgreSQL refuses it."""

    @pytest.mark.parametrize("table", ["block", "fact", "payment"])
    async def test_a_batch_that_loses_a_row_fails_and_leaves_nothing(
        self, wallet: Wallet, table: str
    ) -> None:
        """Nobody is told of a commit that is not whole, and the next one goes on from where the journal really ends."""
        await wallet.open_checkout()
        async with wallet.world.database.open_as_owner() as owner:
            await owner.execute(_LOSE_ROWS.format(table=table))
        with pytest.raises(asyncpg.InvalidTextRepresentationError, match="batch wrote"):
            await wallet.open_checkout()
        async with wallet.world.database.open_as_owner() as owner:
            await owner.execute(f"DROP TRIGGER lose ON {table}")

        await wallet.open_checkout()

        async with wallet.db.connection() as conn:
            assert await conn.fetchval("SELECT count(*) FROM payment") == 2
        await assert_tables_are_folds(wallet.db)


class TestTickets:
    async def test_a_ticket_that_is_taken_is_refused_and_others_of_the_batch_are_not(
        self, wallet: Wallet
    ) -> None:
        """The database tells that a ticket is taken, and the batch is decided again with that."""
        await wallet.open_checkout()
        taken, free = new_uuid7(), new_uuid7()

        answers = await asyncio.gather(
            wallet.checkouts.open(taken, parse_new_basket(ticket(taken, sequence=1))),
            wallet.checkouts.open(free, parse_new_basket(ticket(free, sequence=2))),
            return_exceptions=True,
        )

        assert isinstance(answers[0], TicketKeyTaken)
        assert isinstance(answers[1], Checkout)
        await assert_tables_are_folds(wallet.db)

    async def test_a_ticket_is_given_free_and_taken_in_one_batch(self, wallet: Wallet) -> None:
        """Cancelling and opening anew at once leaves no trace of the first one's claim."""
        first = await wallet.open_checkout()
        again = new_uuid7()
        basket = parse_new_basket(ticket(again, sequence=wallet.world.sequence))

        _, opened = await asyncio.gather(
            wallet.checkouts.cancel(first, caller=TILL), wallet.checkouts.open(again, basket)
        )

        assert opened.version == 1
        await assert_tables_are_folds(wallet.db)

    async def test_two_tills_race_with_one_ticket(self, world: World) -> None:
        """One checkout lives; the other till hears so."""
        async with run_wallet(world) as one, run_wallet(world) as two:

            def open_at(wallet: Wallet, checkout_id: UUID) -> Awaitable[Payment]:
                basket = parse_new_basket(ticket(checkout_id, sequence=1))
                return wallet.checkouts.open(checkout_id, basket)

            answers = await asyncio.gather(
                *(open_at(wallet, new_uuid7()) for wallet in (one, two)),
                return_exceptions=True,
            )

        assert sum(isinstance(answer, TicketKeyTaken) for answer in answers) == 1


class TestExpiry:
    async def test_what_nobody_pays_in_time_expires(self, wallet: Wallet) -> None:
        """Only open checkouts expire; their tickets are free again."""
        wallet.world.purse.available[TenderKind.PREPAID] = 100_000
        paid = await wallet.open_claimed()
        await wallet.pay(paid, [TenderKind.PREPAID])
        left = [await wallet.open_checkout() for _ in range(3)]
        wallet.world.clock.move_to(wallet.world.clock() + timedelta(minutes=15))

        expired = await expire_checkouts(wallet.engine.queue)

        assert expired == len(left)
        for checkout_id in left:
            assert (await wallet.read(checkout_id)).state is CheckoutState.EXPIRED
        assert (await wallet.read(paid)).state is CheckoutState.SETTLED
        await assert_tables_are_folds(wallet.db)

    async def test_the_time_that_is_over_counts_before_the_sweep(self, wallet: Wallet) -> None:
        """Nobody pays after the end, swept or not."""
        checkout_id = await wallet.open_claimed()
        wallet.world.clock.move_to(wallet.world.clock() + timedelta(minutes=15))

        with pytest.raises(CheckoutNotOpen):
            await wallet.pay(checkout_id, [TenderKind.PREPAID])


class TestOutbox:
    async def test_four_kinds_of_facts_leave(self, wallet: Wallet) -> None:
        """Under the shopper's key, or the checkout's without one; in the journal's order."""
        wallet.world.purse.available[TenderKind.PREPAID] = 100_000
        paid = await wallet.open_claimed()
        await wallet.pay(paid, [TenderKind.PREPAID])
        nobodys = await wallet.open_checkout()
        await wallet.checkouts.cancel(nobodys, caller=TILL)
        source = CheckoutFacts()

        async with wallet.db.connection() as conn:
            facts = await source.facts_after(conn, 0, 0, 10)
            rest = await source.facts_after(conn, 0, facts[0].seq, 10)
            none = await source.facts_after(conn, 0, facts[-1].seq, 10)

        assert [(fact.type_name, fact.key.decode()) for fact in facts] == [
            ("cagnotte.wallet.v1.CheckoutSettled", str(wallet.world.customer_id)),
            ("cagnotte.wallet.v1.CheckoutCancelled", str(nobodys)),
        ]
        assert (rest, none) == (facts[1:], [])


class TestTotals:
    async def test_count_every_payment(self, wallet: Wallet) -> None:
        """Each checkout is counted where it stands, and the money of cards is summed."""
        wallet.world.purse.available[TenderKind.PREPAID] = 100_000
        await wallet.enrol("pm_card_visa")
        paid, refunded = [await wallet.open_claimed() for _ in range(2)]
        await wallet.pay(paid, [TenderKind.CARD])
        await wallet.pay(refunded, [TenderKind.CARD])
        await wallet.checkouts.refund(refunded, request_id=new_uuid7())
        await wallet.open_checkout()

        totals = await wallet.engine.reader.totals()

        assert (totals.checkouts_opened, totals.checkouts_settled) == (3, 2)
        assert (totals.checkouts_refunded, totals.in_flight) == (1, 0)
        assert (totals.card_captured_minor, totals.card_refunded_minor) == (6_000, 3_000)
