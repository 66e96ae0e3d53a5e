"""Printing tickets: stable keys and contents, sums that add up."""

from datetime import timedelta

import protovalidate

from cagnotte.points.v1 import points_pb2 as pb
from services.simulator.baskets import Line
from services.simulator.tickets import TicketPrinter, card_number, member_id, till_number
from tests.unit.simulator.made_baskets import FOOD, NOON, SPIRITS, basket


class TestTicketPrinter:
    def test_prints_the_same_ticket_on_every_replay(self) -> None:
        """Keys and contents depend on the data alone; only the id of the command is new."""
        baskets = [basket(number) for number in range(50)]
        first, second = TicketPrinter(), TicketPrinter()

        once = [first.print_ticket(each) for each in baskets]
        again = [second.print_ticket(each) for each in baskets]

        assert [each.ticket for each in once] == [each.ticket for each in again]
        assert {each.request_id for each in once}.isdisjoint(each.request_id for each in again)

    def test_numbers_each_till_and_day_from_one(self) -> None:
        """No two tickets share a key, and a till's numbers have no gap."""
        printer = TicketPrinter()
        days = [NOON, NOON + timedelta(days=1)]
        keys = [
            printer.print_ticket(basket(number, sold=day)).ticket.key
            for day in days
            for number in range(50)
        ]

        by_till: dict[tuple[str, str], list[int]] = {}
        for key in keys:
            by_till.setdefault((key.business_date, key.till_id), []).append(key.sequence)

        assert len({key.SerializeToString() for key in keys}) == 100
        for sequences in by_till.values():
            assert sequences == list(range(1, len(sequences) + 1))

    def test_pays_what_the_lines_cost(self) -> None:
        """The tenders sum to the total; the supplier's coupon is one of them."""
        lines = (Line(FOOD, 2, 500, 120, 0), Line(SPIRITS, 1, 1_000, 0, 0), Line(FOOD, 0, 0, 0, 30))

        ticket = TicketPrinter().print_ticket(basket(lines=lines)).ticket

        tenders = {tender.kind: tender.amount_minor for tender in ticket.tenders}
        assert ticket.total_minor == 1_500 == sum(tenders.values())
        assert tenders[pb.TENDER_KIND_SUPPLIER_COUPON] == 120
        assert len(ticket.lines) == 3

    def test_prints_a_ticket_of_nothing(self) -> None:
        """A basket of free lines is real: it has lines and no tender."""
        ticket = TicketPrinter().print_ticket(basket(lines=(Line(FOOD, 1, 0, 0, 0),))).ticket

        assert ticket.total_minor == 0
        assert not ticket.tenders

    def test_obeys_the_rules_of_the_proto(self) -> None:
        """What the tills send is valid by the contract."""
        protovalidate.validate(TicketPrinter().print_ticket(basket()))


class TestIds:
    def test_a_household_is_one_member(self) -> None:
        """The same household has the same id for ever, another one another."""
        assert member_id(900) == member_id(900)
        assert member_id(900) != member_id(901)

    def test_a_card_number_is_no_payment_card(self) -> None:
        """Its letters keep it apart from any card that pays."""
        assert card_number(900) == "CJ00000900"

    def test_baskets_spread_over_the_tills(self) -> None:
        """Every till of a store gets its share."""
        tills = [till_number(number) for number in range(800)]

        assert set(tills) == set(range(1, 9))
        assert max(tills.count(till) for till in range(1, 9)) < 160
