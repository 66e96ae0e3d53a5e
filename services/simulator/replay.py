"""The replay: a year of baskets, day by day, through tills and phones, until the books have caught up."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import date
from time import monotonic
from typing import Any, Final

from rich.console import Console

from cagnotte.points.v1 import points_service_pb2 as pb
from services.simulator.baskets import (
    Dataset,
    count_baskets,
    installed_dataset,
    read_baskets,
    read_households,
)
from services.simulator.books import Standing
from services.simulator.calls import Patience
from services.simulator.catching_up import wait_for_books
from services.simulator.comparison import Seen, compare
from services.simulator.day import DayMover
from services.simulator.day_printing import DayPrinter, PrintedDay
from services.simulator.errors import ServiceRefusedError
from services.simulator.habits import PhonePlan
from services.simulator.offline import OutagePlan
from services.simulator.outcomes import AnswerTally
from services.simulator.phone_books import wait_for_quiet
from services.simulator.phone_days import PhoneDays
from services.simulator.phone_tally import PhoneTally
from services.simulator.progress import Progress, shown_progress
from services.simulator.receipts import Receipts
from services.simulator.report import InputFigures, ReplayReport
from services.simulator.stack import Endpoints, Stack, open_stack
from services.simulator.tickets import card_number, customer_id, member_id
from services.simulator.tills import OfflineQueues, TillNetwork

PHONES_PERCENT: Final = 30
"""The share of baskets that are paid by phone, unless one is named."""

MEMBERS_PER_CALL: Final = 500
"""Members enrolled by one call; the service takes up to 1,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How to replay.

    ``baskets`` takes the first so many by time (None: all), ``offline_percent`` of the tills are
    offline at any time as ``seed`` decides, ``phones_percent`` of the baskets are paid by phone
    where the stack is open to phones, ``concurrency`` online tickets are under way at once;
    ``receipts``, if there are any, keep what is acknowledged.
    """

    baskets: int | None = None
    offline_percent: int = 20
    phones_percent: int = PHONES_PERCENT
    seed: int = 2017
    concurrency: int = 64
    patience: Patience = field(default_factory=Patience)
    receipts: Receipts | None = None
    dataset: Dataset = field(default_factory=installed_dataset)


async def run_replay(
    endpoints: Endpoints, options: ReplayOptions, *, console: Console
) -> ReplayReport:
    """Replay the baskets and wait until they are booked; sending them again changes nothing.

    The stack must run on a simulated clock with the demo's programme published. Raises a
    ReplayError that says where it stopped; a difference is no error but a line of the report.
    """
    began = monotonic()
    with shown_progress(console) as progress:
        keep = None if options.receipts is None else options.receipts.keep
        async with open_stack(endpoints, patience=options.patience, keep=keep) as stack:
            mover = await DayMover.of(stack)
            await wait_for_quiet(stack)
            before = await wait_for_books(stack, progress, sales_minor=None)
            seen = await _Replay(stack, options, progress).run(mover)
            after = await wait_for_books(
                stack,
                progress,
                sales_minor=before.books.sales_minor + seen.sales_minor,
                transactions_min=lambda points: (
                    before.books.transactions + seen.transactions(before.points, points)
                ),
            )
    return _report(seen, before=before, after=after, seconds=monotonic() - began)


class _Replay:
    def __init__(self, stack: Stack, options: ReplayOptions, progress: Progress) -> None:
        self._stack = stack
        self._options = options
        self._progress = progress
        self._tally = AnswerTally()
        plan = OutagePlan(seed=options.seed, percent=options.offline_percent)
        self._plan = plan
        self._phone_plan = PhonePlan(
            seed=options.seed,
            percent=options.phones_percent if stack.phones is not None else 0,
            offline_percent=options.offline_percent,
        )
        self._phones = self._open_phones() if stack.phones is not None else None
        self._network = TillNetwork(
            stack=stack,
            plan=plan,
            tally=self._tally,
            progress=progress,
            concurrency=options.concurrency,
            sell_by_phone=None if self._phones is None else self._phones.counter.serve,
        )

    def _open_phones(self) -> PhoneDays:
        concurrency = self._options.concurrency
        return PhoneDays.of(
            self._stack, self._phone_plan, tally=self._tally, concurrency=concurrency
        )

    async def run(self, mover: DayMover) -> Seen:
        try:
            await self._run(mover)
        finally:
            if self._phones is not None:
                self._phones.counter.give_up()
        return Seen(self._tally, PhoneTally() if self._phones is None else self._phones.tally)

    async def _run(self, mover: DayMover) -> None:
        options = self._options
        await self._enrol(read_households(options.dataset, limit=options.baskets))
        whole = count_baskets(options.dataset)
        total = whole if options.baskets is None else min(whole, options.baskets)
        self._progress.begin("tickets", total=total)
        queues = OfflineQueues()
        printer = DayPrinter(
            read_baskets(options.dataset, limit=options.baskets),
            plan=self._plan,
            phone_plan=self._phone_plan,
            queues=queues,
        )
        printed = await printer.print_next()
        while printed is not None:
            day, is_past = printed.day, mover.has_seen(printed.day)
            await mover.move_to_end_of(day)
            printed = await self._sell(printed, printer, queues, is_past=is_past)
            self._progress.show_day(day, queued=len(queues))
        await self._network.upload(queues.take_due(date.max), upload_date=date.max)
        if self._phones is not None:
            await self._phones.end()
            # The wallet sweeps every few seconds; the report counts what has expired.
            await self._phones.counter.wait_for_left(mover.now)

    async def _sell(
        self, printed: PrintedDay, printer: DayPrinter, queues: OfflineQueues, *, is_past: bool
    ) -> PrintedDay | None:
        """Send all that is due on a day; the next one is printed meanwhile, and given."""
        day = printed.day
        upload = self._network.upload(queues.take_due(day), upload_date=day)
        if self._phones is None:
            send = self._network.send(printed.online)
            return await _meanwhile(printer.print_next(), upload, send)
        # What phones plan to pay with depends on what their owners have by then: queues come first.
        await upload
        await self._phones.begin(day, printed.online, is_past=is_past)
        following = await _meanwhile(printer.print_next(), self._network.send(printed.online))
        await self._phones.counter.close_day()
        return following

    async def _enrol(self, households: Sequence[int]) -> None:
        self._progress.begin("members", total=len(households))
        for start in range(0, len(households), MEMBERS_PER_CALL):
            chunk = households[start : start + MEMBERS_PER_CALL]
            response = await self._stack.operator.call(
                self._stack.points.EnrolMembers, _enrolment(chunk)
            )
            for outcome in response.outcomes:
                if outcome.status != pb.ENROLMENT_STATUS_ENROLLED:
                    raise ServiceRefusedError(f"Member {outcome.member_id}: {outcome.message}")
            self._progress.advance(len(chunk))
            self._progress.show("members")


async def _meanwhile(
    printing: Coroutine[Any, Any, PrintedDay | None], *sending: Coroutine[Any, Any, None]
) -> PrintedDay | None:
    """Do all at once and give what was printed; raise the first ReplayError, and give the rest up."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for work in sending:
                tasks.create_task(work)
            printed = tasks.create_task(printing)
    except ExceptionGroup as group:
        raise group.exceptions[0] from group
    return printed.result()


def _enrolment(households: Sequence[int]) -> pb.EnrolMembersRequest:
    request = pb.EnrolMembersRequest()
    for household in households:
        request.members.add(
            member_id=str(member_id(household)),
            customer_id=str(customer_id(household)),
            card_numbers=[card_number(household)],
        )
    return request


def _report(seen: Seen, *, before: Standing, after: Standing, seconds: float) -> ReplayReport:
    sent = seen.tills.sent
    return ReplayReport(
        baskets_replayed=sent.baskets,
        baskets_offline=seen.tills.offline,
        baskets_by_phone=seen.phones.baskets,
        returned_minor=seen.phones.returned_minor,
        input=InputFigures(
            sent.lines, sent.sales_minor, sent.coupon_minor, sent.coupon_excess_minor
        ),
        books=after.books,
        points=after.points,
        phones=after.phones,
        comparisons=compare(seen, before=before, after=after),
        duration_seconds=seconds,
    )
