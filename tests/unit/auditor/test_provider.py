"""What of a card leg the provider must have, and what it must not."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest

from services.auditor.provider import ProviderAudit
from services.auditor.provider_page import NOBODY, Intent, Refund
from services.auditor.report import BreakKind, Check
from services.auditor.sorting import Sorter
from services.auditor.tally import ignore_progress
from services.auditor.wallet_legs import LegEnd
from services.wallet.domain.leg import LegOperation, LegPhase
from services.wallet.domain.tender import TenderKind

LEG = UUID(int=1)
FROZEN = 1_000


def leg(
    operation: LegOperation, phase: LegPhase = LegPhase.DONE, *, paid: bool, in_flight: bool = False
) -> LegEnd:
    """Make a card leg of 5.00."""
    return LegEnd(
        payment_id=UUID(int=2),
        customer_id=UUID(int=3),
        kind=TenderKind.CARD,
        amount_minor=500,
        quantity=0,
        currency_code="EUR",
        operation=operation,
        phase=phase,
        paid=paid,
        in_flight=in_flight,
        hold_expire_time=None,
        provider_reference="pi_1",
        refund_reference="re_1" if operation is LegOperation.REFUND else "",
    )


def intent(status: str, *, name: str = "pi_1", amount: int = 500, burnt: bool = False) -> Intent:
    """Make a payment at the provider."""
    received = amount if status == "succeeded" else 0
    return Intent(name, status, amount, received, "EUR", burnt, FROZEN - 1)


def refund(*, name: str = "re_1", amount: int = 500, of: str = "pi_1", at: int = 1) -> Refund:
    """Make a refund at the provider."""
    return Refund(name, "succeeded", amount, "EUR", of, at)


@dataclass(slots=True)
class Case:
    """A leg and what the provider has under its id."""

    leg: LegEnd | None
    intents: list[Intent]
    refunds: list[Refund] = field(default_factory=list)

    async def verdicts(self, *, debited: int = 500, credited: int = 0) -> dict[str, Check]:
        """Compare both sides, with what the card account of the books has."""
        audit = ProviderAudit(frozen_time=FROZEN, listener=ignore_progress)
        with Sorter[LegEnd]() as legs, Sorter[Intent]() as intents, Sorter[Refund]() as refunds:
            if self.leg is not None:
                legs.add(LEG, self.leg)
            for one in self.intents:
                intents.add(LEG if self.leg else NOBODY, one)
            for other in self.refunds:
                refunds.add(LEG if self.leg else NOBODY, other)
            await audit.run(legs, intents, refunds)
        return {check.name: check for check in audit.close(debited=debited, credited=credited)}

    async def broken(self, *, debited: int = 500, credited: int = 0) -> set[str]:
        """Name the checks that fail."""
        checks = (await self.verdicts(debited=debited, credited=credited)).values()
        return {check.name for check in checks if not check.ok}


CAPTURED = leg(LegOperation.CAPTURE, paid=True)
REFUNDED = leg(LegOperation.REFUND, paid=True)
VOIDED = leg(LegOperation.VOID, paid=False)
DECLINED = leg(LegOperation.AUTHORIZE, LegPhase.DECLINED, paid=False)
UNKNOWN = leg(LegOperation.AUTHORIZE, LegPhase.OUTCOME_UNKNOWN, paid=False, in_flight=True)
REFUNDING = leg(LegOperation.REFUND, LegPhase.OUTCOME_UNKNOWN, paid=True, in_flight=True)


class TestHonest:
    @pytest.mark.parametrize(
        ("case", "debited", "credited"),
        [
            (Case(CAPTURED, [intent("succeeded")]), 500, 0),
            (Case(CAPTURED, [intent("succeeded"), intent("canceled", name="pi_0")]), 500, 0),
            (Case(REFUNDED, [intent("succeeded")], [refund()]), 500, 500),
            (Case(VOIDED, [intent("canceled")]), 0, 0),
            (Case(DECLINED, [intent("requires_payment_method")]), 0, 0),
            (Case(DECLINED, [intent("canceled", burnt=True)]), 0, 0),
            (Case(DECLINED, []), 0, 0),
            (Case(UNKNOWN, []), 0, 0),
            (Case(UNKNOWN, [intent("requires_capture")]), 0, 0),
            (Case(REFUNDING, [intent("succeeded")]), 500, 0),
            (Case(REFUNDING, [intent("succeeded")], [refund()]), 500, 0),
        ],
    )
    async def test_breaks_nothing(self, case: Case, debited: int, credited: int) -> None:
        """A leg and the provider agree, also while the provider's answer is unknown."""
        assert await case.broken(debited=debited, credited=credited) == set()


class TestDishonest:
    @pytest.mark.parametrize(
        "case",
        [
            Case(CAPTURED, []),
            Case(CAPTURED, [intent("succeeded", name="pi_2")]),
            Case(CAPTURED, [intent("requires_capture")]),
            Case(CAPTURED, [intent("canceled")]),
            Case(CAPTURED, [intent("succeeded", amount=501)]),
            Case(CAPTURED, [intent("succeeded"), intent("succeeded", name="pi_2")]),
            Case(CAPTURED, [intent("succeeded"), intent("requires_capture", name="pi_2")]),
            Case(VOIDED, [intent("succeeded")]),
            Case(VOIDED, [intent("requires_capture")]),
            Case(VOIDED, [intent("canceled", name="pi_2")]),
            Case(DECLINED, [intent("succeeded")]),
            Case(DECLINED, [intent("requires_action")]),
            Case(DECLINED, [intent("requires_capture", burnt=True)]),
            Case(UNKNOWN, [intent("requires_capture"), intent("succeeded", name="pi_2")]),
            Case(UNKNOWN, [intent("requires_capture", amount=499)]),
            Case(None, [intent("succeeded")]),
            Case(None, [intent("canceled")]),
        ],
    )
    async def test_payments(self, case: Case) -> None:
        """What was not captured, or captured twice, otherwise or for nobody, is seen."""
        debited = 500 if case.leg is CAPTURED else 0

        assert await case.broken(debited=debited) == {"provider.intents"}

    @pytest.mark.parametrize(
        "case",
        [
            Case(CAPTURED, [intent("succeeded")], [refund()]),
            Case(REFUNDED, [intent("succeeded")], []),
            Case(REFUNDED, [intent("succeeded")], [refund(name="re_2")]),
            Case(REFUNDED, [intent("succeeded")], [refund(), refund(name="re_2")]),
            Case(REFUNDED, [intent("succeeded")], [refund(amount=499)]),
            Case(REFUNDED, [intent("succeeded")], [refund(of="pi_2")]),
            Case(
                leg(LegOperation.REFUND, LegPhase.DECLINED, paid=True),
                [intent("succeeded")],
                [refund()],
            ),
        ],
    )
    async def test_refunds(self, case: Case) -> None:
        """What was not given back, or given back twice, otherwise or without being asked, is seen."""
        credited = 500 if case.leg is REFUNDED else 0

        assert await case.broken(credited=credited) == {"provider.refunds"}

    async def test_a_refund_by_hand_is_for_a_person_to_clear(self) -> None:
        """It is named with what it gave back of what, and can be acknowledged; one that failed gave nothing."""
        failed = refund(name="re_2")._replace(status="failed")
        case = Case(None, [], [refund(amount=300), failed])

        check = (await case.verdicts(debited=0))["provider.refunds"]

        words = (
            "re_1 gave 300 EUR of pi_1 back at the provider (succeeded), and no leg asked for it"
        )
        assert (check.ok, check.kind, check.breaks) == (False, BreakKind.BUSINESS, (words,))

    async def test_books_that_say_otherwise(self) -> None:
        """Legs and provider may agree: the card account must as well."""
        case = Case(CAPTURED, [intent("succeeded")])

        assert await case.broken(debited=499) == {"provider.totals"}
        assert await case.broken(credited=1) == {"provider.totals"}


class TestNewerThanTheAudit:
    async def test_is_left_out_and_counted(self) -> None:
        """What the provider made after the databases were frozen proves and disproves nothing."""
        newer = intent("succeeded")._replace(create_time=FROZEN)
        case = Case(None, [newer], [refund(at=FROZEN)])

        verdicts = await case.verdicts(debited=0)

        assert all(check.ok for check in verdicts.values())
        assert "2 newer than the audit" in verdicts["provider.intents"].detail
