"""The audit as a whole, over forgeries that keep every single database consistent."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from cagnotte.wallet.v1 import events_pb2 as wallet_events
from services.auditor import AuditError, run_verify
from services.auditor.acknowledgements import acknowledge
from services.auditor.provider import CHECKS as PROVIDER_CHECKS
from services.auditor.provider import NOT_RUN
from services.auditor.report import Acknowledged, BreakKind
from services.auditor.tally import Progress
from services.common.kernel.ids import new_uuid7
from services.common.kernel.loyalty import LoyaltyCurrency
from services.common.runtime.journal import Fact, append_facts, lock_head
from services.common.testing.clock import ManualClock
from services.ledger.domain.posting_events import SALE
from services.ledger.domain.transaction import Kind
from services.points.domain.command import HoldValue
from services.wallet.config import Settings
from services.wallet.domain.tender import TenderKind
from tests.integration.auditor.audited import failed, verify
from tests.integration.auditor.history import PHONE_LINES
from tests.integration.auditor.stage import (
    BANK,
    CUSTOMERS,
    LATER,
    MEMBERS,
    PREPAID,
    Stack,
    book_facts,
    follow_checkouts,
    ledger_writer,
    make_checkout_ticket,
    make_ticket,
    make_transaction,
    phones_of,
    publish_again,
    publish_everything,
    record,
)
from tests.integration.auditor.tampering import hash_again
from tests.integration.auditor.wallet_history import tender

ALICE = CUSTOMERS[0]


class TestRunVerify:
    """What the command gets."""

    async def test_passes_over_an_honest_history_and_covers_all_of_it(self, stack: Stack) -> None:
        """Every check covers rows, in processes of its own, and tells its progress."""
        heard: list[Progress] = []
        report = await asyncio.to_thread(
            run_verify,
            ledger_dsn=stack.ledger.owner_dsn,
            points_dsn=stack.points.owner_dsn,
            wallet_dsn=stack.wallet.owner_dsn,
            progress=heard.append,
        )

        assert report.ok, report.failed()
        not_run = {check.name for check in report.checks if not check.checked}
        assert not_run == set(PROVIDER_CHECKS)
        assert {progress.check for progress in heard} | not_run == {
            check.name for check in report.checks
        }
        assert len({check.name for check in report.checks}) == len(report.checks)

    async def test_says_plainly_that_the_provider_was_not_asked(self, stack: Stack) -> None:
        """Without its url and key nothing is proven about the provider, and the report says so."""
        details = {check.name: check.detail for check in (await verify(stack)).checks}

        assert [details[name] for name in PROVIDER_CHECKS] == [NOT_RUN] * len(PROVIDER_CHECKS)

    async def test_says_so_when_it_cannot_run(self, stack: Stack) -> None:
        """A database that is not there proves nothing and disproves nothing."""
        gone = replace(stack.points, owner_dsn=stack.points.owner_dsn + "_gone")
        with pytest.raises(AuditError, match="cannot read a database"):
            await verify(replace(stack, points=gone))


class TestForgeries:
    """Chains, sums and state tables may all agree: the two services must agree as well."""

    async def test_sees_an_event_that_is_journaled_twice(self, copy: Stack) -> None:
        """The same event under a new number, properly hashed, is still one too many."""
        async with copy.points.open() as db, db.transaction() as conn:
            row = await conn.fetchrow(
                "SELECT event_id, event_type, subject, payload FROM fact"
                " WHERE event_type = 5 ORDER BY seq LIMIT 1"
            )
            assert row is not None
            head = await lock_head(conn, 0)
            await append_facts(conn, head, [Fact(*row)], recorded_time=LATER)
        await publish_again(copy.points)

        assert failed(await verify(copy)) == {
            "points.event_ids",
            "points.facts_fold_again",
            "books.events_booked_once",
            "books.sales_by_vat_rate",
        }

    async def test_sees_a_sale_without_an_event(self, copy: Stack) -> None:
        """A balanced, chained transaction under an event's purpose has no event behind it."""
        forged = make_transaction(
            Kind.POSTED, ("gl/530000/stores/0330", -120), ("gl/707200", 120), purpose=SALE
        )
        async with copy.ledger.open() as db:
            await ledger_writer(db, ManualClock(LATER))([forged])
        await publish_again(copy.ledger)

        report = await verify(copy)

        assert failed(report) == {"books.events_booked_once", "books.sales_by_vat_rate"}
        assert any(str(forged.transaction_id) in check.detail for check in report.failed())

    async def test_sees_a_rewritten_ledger_whose_chain_was_hashed_again(self, copy: Stack) -> None:
        """The owner can move a sale to another day and hash anew; the event still says when."""
        async with copy.ledger.open_as_owner() as conn:
            await conn.execute(
                "UPDATE transaction SET effective_time = effective_time + interval '1 second'"
                " WHERE purpose = 'sale'"
            )
            await hash_again(conn)

        assert failed(await verify(copy)) == {"books.events_booked_once"}

    async def test_sees_value_that_no_rule_gave(self, copy: Stack) -> None:
        """A lot that was enlarged with its balance is seen by the fold and by the ledger."""
        async with copy.points.open_as_owner() as conn:
            await conn.execute(
                "UPDATE lot SET earned = earned + 100, remaining = remaining + 100"
                " WHERE lot_id = (SELECT lot_id FROM lot WHERE remaining > 0 LIMIT 1)"
            )
        report = await verify(copy)
        assert failed(report) == {"points.lots", "books.lots"}
        assert {check.kind for check in report.failed()} == {BreakKind.PROOF}

    async def test_does_not_take_lag_for_a_broken_proof(self, copy: Stack) -> None:
        """A till has just sold, and a phone holds money: what the ledger has not followed is late, and not broken."""
        clock = ManualClock(LATER)
        async with phones_of(copy, clock) as phones:
            await phones.points(
                [record(make_ticket(701, clock(), *PHONE_LINES, shopper=MEMBERS[0]))]
            )
            await phones.top_up(ALICE, 1_000)
        await publish_everything(copy)

        report = await verify(copy)
        kinds = {check.name: check.kind for check in report.failed()}

        assert kinds["books.lots"] is BreakKind.LAG
        assert BreakKind.PROOF not in kinds.values()

        await book_facts(copy, clock)
        await publish_everything(copy)
        assert failed(await verify(copy)) == set()

    async def test_sees_reversals_that_take_back_too_much(self, copy: Stack) -> None:
        """Balances, sums and chain may agree: no more is taken back of a transaction than it moved."""
        async with copy.ledger.open() as db:
            writer = ledger_writer(db, ManualClock(LATER))
            sold = make_transaction(Kind.POSTED, (BANK, -800), (PREPAID, 800))
            part = make_transaction(
                Kind.REVERSAL, (BANK, -500), (PREPAID, 500), target_id=sold.transaction_id
            )
            more = make_transaction(Kind.POSTED, (BANK, 301), (PREPAID, -301))
            await writer([sold, part])
            await writer([more])
        async with copy.ledger.open_as_owner() as conn:
            await conn.execute(
                "WITH forged AS (UPDATE transaction SET kind = 5, target_id = $1"
                "                 WHERE transaction_id = $2 RETURNING shard_id, seq)"
                " INSERT INTO reversal SELECT $1, shard_id, seq FROM forged",
                sold.transaction_id,
                more.transaction_id,
            )
            await hash_again(conn)
        await publish_again(copy.ledger)

        report = await verify(copy)

        assert failed(report) == {"ledger.reversals"}
        assert "take back" in report.failed()[0].detail

    async def test_sees_rights_that_nobody_should_have(self, copy: Stack) -> None:
        """A service that may change its journal could change it: the grant itself is seen."""
        async with copy.ledger.open_as_owner() as conn:
            await conn.execute("GRANT UPDATE ON posting TO cagnotte_runtime")
        assert failed(await verify(copy)) == {"ledger.schema"}


class TestPaidByPhone:
    """Wallet, ledger, points and till each have their own story of a checkout: they must agree."""

    async def test_follows_a_checkout_from_pending_to_booked(self, copy: Stack) -> None:
        """What nobody has followed yet fails by name, until points and ledger have."""
        clock = ManualClock(LATER)
        async with phones_of(copy, clock) as phones:
            ticket = make_checkout_ticket(600, clock(), *PHONE_LINES)
            paid = (tender(TenderKind.PREPAID, 100), tender(TenderKind.CARD, 1_850))
            await phones.pay(await phones.open(ticket, ALICE), ALICE, *paid)
            await publish_everything(copy)
            report = await verify(copy)
            assert failed(report) == {
                "books.checkouts_booked_once",
                "books.checkout_sales_by_vat_rate",
                "books.checkout_totals",
                "books.prepaid_holds",
                "books.settled_in_points",
            }
            assert sum("not yet consumed" in check.detail for check in report.failed()) == 2
            assert {check.kind for check in report.failed()} == {BreakKind.BUSINESS}

            await follow_checkouts(copy, phones.points)
        await book_facts(copy, clock)
        await publish_everything(copy)
        assert (await verify(copy)).ok

    async def test_proves_the_return_of_what_earned_before_that_of_what_it_paid(
        self, copy: Stack
    ) -> None:
        """The lot ends with the first return; what comes back with the second expires, in points and in the books."""
        clock = ManualClock(LATER)
        async with phones_of(copy, clock) as phones:
            big = make_checkout_ticket(640, clock(), (20_000, 0, 550, "Private"))
            earner = await phones.open(big, ALICE)
            await phones.pay(earner, ALICE, tender(TenderKind.CARD, 20_000))
            await follow_checkouts(copy, phones.points)
            paid = await phones.open(make_checkout_ticket(641, clock(), *PHONE_LINES), ALICE)
            tenders = (tender(TenderKind.KITTY, 90, 90), tender(TenderKind.CARD, 1_860))
            await phones.pay(paid, ALICE, *tenders)
            await follow_checkouts(copy, phones.points)
            for checkout_id in (earner, paid):
                await phones.refund(checkout_id)
                await follow_checkouts(copy, phones.points)
        await book_facts(copy, clock)
        await publish_everything(copy)

        async with copy.points.open_as_owner() as conn:
            left = await conn.fetch(
                "SELECT earned, remaining, expire_time <= $2 AS ended FROM lot WHERE earn_time >= $1"
                " ORDER BY earned",
                LATER,
                clock(),
            )

        assert [tuple(lot)[1:] for lot in left if lot["ended"]] == [(0, True)]
        assert sum(lot["remaining"] for lot in left) == 0
        assert (await verify(copy)).ok

    async def test_sees_a_ticket_whose_totals_are_not_those_that_were_paid(
        self, copy: Stack
    ) -> None:
        """The checkout's sale stands in the books; the till's other total is a break with a name."""
        clock = ManualClock(LATER)
        async with phones_of(copy, clock) as phones:
            ticket = make_checkout_ticket(601, clock(), *PHONE_LINES)
            other = make_checkout_ticket(601, clock(), (1_999, 0, 550, "Private"))
            other.checkout_id = ticket.checkout_id
            await phones.points([record(other)])
            await phones.pay(
                await phones.open(ticket, ALICE), ALICE, tender(TenderKind.CARD, 1_950)
            )
            await follow_checkouts(copy, phones.points)
        await book_facts(copy, clock)
        await publish_everything(copy)

        report = await verify(copy)

        assert failed(report) == {"books.checkout_totals"}
        assert "another total" in report.failed()[0].detail
        assert report.failed()[0].kind is BreakKind.BUSINESS
        seen = [
            Acknowledged("books.checkout_totals", text, "accounting", LATER, "rung up again")
            for text in report.failed()[0].breaks
        ]
        assert acknowledge(report, seen).ok, "finance has looked at it"

    async def test_sees_a_settlement_whose_hold_was_gone(self, copy: Stack) -> None:
        """The sale is booked all the same; the clearing account says what is missing."""
        clock = ManualClock(LATER)
        async with phones_of(copy, clock) as phones:
            ticket = make_checkout_ticket(602, clock(), *PHONE_LINES)
            paid = (tender(TenderKind.PREPAID, 100), tender(TenderKind.CARD, 1_850))
            payment = await phones.pay(await phones.open(ticket, ALICE), ALICE, *paid)
            hold_id = payment.legs[0].leg_id
            await phones.ledger([make_transaction(Kind.HOLD_VOIDED, target_id=hold_id)])
            await follow_checkouts(copy, phones.points)
        await book_facts(copy, clock)
        await publish_everything(copy)

        report = await verify(copy)
        assert failed(report) == {
            "books.checkouts_booked_once",
            "books.clearing",
            "books.prepaid_holds",
        }
        assert {check.kind for check in report.failed()} == {BreakKind.BUSINESS}

    async def test_a_settlement_that_is_booked_late_finds_its_hold(self, copy: Stack) -> None:
        """The ledger was away for ten days: longer than an attempt may take, and shorter than its holds last."""
        lifetimes = Settings.model_fields
        attempt, settle = (
            timedelta(days=lifetimes[name].default) for name in ("hold_days", "settle_days")
        )
        away = timedelta(days=10)
        assert attempt < away < attempt + settle
        clock = ManualClock(LATER)
        async with phones_of(copy, clock) as phones:
            ticket = make_checkout_ticket(603, clock(), *PHONE_LINES)
            paid = (tender(TenderKind.PREPAID, 100), tender(TenderKind.CARD, 1_850))
            checkout_id = await phones.open(ticket, ALICE)
            await phones.pay(checkout_id, ALICE, *paid, hold=attempt + settle)
            await follow_checkouts(copy, phones.points)
        clock.advance(seconds=away.total_seconds())
        await book_facts(copy, clock)
        await publish_everything(copy)

        assert failed(await verify(copy)) == set()

    async def test_sees_holds_without_a_leg(self, copy: Stack) -> None:
        """Money and value that are held for nobody's checkout are seen in both services."""
        clock = ManualClock(LATER)
        later = LATER + timedelta(days=9)
        held = make_transaction(
            Kind.HOLD,
            (f"wallet/{ALICE}/prepaid", -5),
            ("checkout/clearing", 5),
            expire_time=later,
            purpose="checkout-hold",
        )
        kitty = LoyaltyCurrency.KITTY
        async with phones_of(copy, clock) as phones:
            await phones.ledger([held])
            await phones.points(
                [HoldValue(new_uuid7(), "", new_uuid7(), MEMBERS[1], None, kitty, 1, later)]
            )
        await publish_everything(copy)

        assert failed(await verify(copy)) == {"books.prepaid_holds", "books.loyalty_holds"}

    async def test_sees_a_fact_that_the_wallet_would_not_have_written(self, copy: Stack) -> None:
        """A checkout that is settled by hand, properly chained, is not what its answers lead to."""
        async with copy.wallet.open() as db, db.transaction() as conn:
            subject = await conn.fetchval(
                "SELECT payment_id FROM payment WHERE in_flight ORDER BY payment_id LIMIT 1"
            )
            row = await conn.fetchrow(
                "SELECT event_type, payload FROM fact WHERE event_type = 9 ORDER BY seq LIMIT 1"
            )
            assert row is not None
            message = wallet_events.CheckoutSettled.FromString(row["payload"])
            message.metadata.event_id = str(new_uuid7())
            message.checkout_id = message.ticket.checkout_id = str(subject)
            head = await lock_head(conn, 0)
            forged = Fact(
                UUID(message.metadata.event_id),
                row["event_type"],
                subject,
                message.SerializeToString(deterministic=True),
            )
            await append_facts(conn, head, [forged], recorded_time=LATER)
        await publish_again(copy.wallet)

        broken = failed(await verify(copy))

        assert {"wallet.facts_decided_again", "wallet.payments"} <= broken
        assert not any(name.startswith("wallet.hash") for name in broken)

    async def test_sees_a_till_that_claims_a_checkout_was_paid(self, copy: Stack) -> None:
        """A ticket that names a checkout which nobody knows left the store unpaid."""
        clock = ManualClock(LATER)
        async with phones_of(copy, clock) as phones:
            await phones.points([record(make_checkout_ticket(603, clock(), *PHONE_LINES))])
        await publish_everything(copy)

        report = await verify(copy)

        assert failed(report) == {"books.checkout_totals"}
        assert "never paid" in report.failed()[0].detail
