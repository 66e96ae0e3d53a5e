"""Drive payments to their end: make the calls that a state asks for, record the answers, go on.

One task a payment; what can be asked in parallel is. The facts say what was about to be sent
before anything is sent, so a driver may stop anywhere: whoever drives next finds out and goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import Context
from typing import Final, NamedTuple, Protocol
from uuid import UUID

import structlog
from prometheus_client import Gauge

from services.common.kernel.clock import Clock
from services.common.kernel.errors import DomainError
from services.common.kernel.ids import new_uuid7
from services.common.runtime.database import is_infrastructure_failure
from services.common.runtime.group_commit import Draining
from services.common.runtime.telemetry import continue_trace, current_traceparent
from services.wallet.domain.command import Answer, RecordAnswers
from services.wallet.domain.leg import LegOperation, LegPhase
from services.wallet.domain.payment import Payment
from services.wallet.domain.step import Step, steps

DRIVEN: Final = Gauge("cagnotte_wallet_driven_payments", "Payments that are being driven.")

_BACK_OFF_SECONDS_MIN: Final = 0.1
_BACK_OFF_SECONDS_MAX: Final = 5.0
_STOP_SECONDS_MAX: Final = 3.0
_GATHER_SECONDS: Final = 0.05

log = structlog.get_logger(__name__)


class Performs(Protocol):
    """Makes the call of a step."""

    def __call__(self, step: Step, *, probe_number: int) -> Awaitable[Answer]:
        """See ``Perform``."""
        ...


class _Key(NamedTuple):
    """One try at one operation of one leg."""

    leg_id: UUID
    operation: LegOperation
    try_number: int


class Driver:
    """Drives at most ``driven_max`` payments at a time, each by one task of this process."""

    def __init__(
        self,
        record: Callable[[RecordAnswers], Awaitable[Payment]],
        perform: Performs,
        clock: Clock,
        *,
        delay: Callable[[int], float],
        driven_max: int,
    ) -> None:
        """Take what records answers and what makes calls; ``delay`` gives the seconds before each probe."""
        self._record = record
        self._perform = perform
        self._clock = clock
        self._delay = delay
        self._driven_max = driven_max
        self._drives: dict[UUID, _Drive] = {}
        self._stopped = asyncio.Event()

    @property
    def room(self) -> int:
        """Give how many more payments can be driven now."""
        return 0 if self._stopped.is_set() else max(0, self._driven_max - len(self._drives))

    def is_driving(self, payment_id: UUID) -> bool:
        """Tell whether a payment is being driven by this process."""
        return payment_id in self._drives

    def drive(self, payment: Payment, *, found: bool = False) -> None:
        """Drive a payment in the background, unless it is at rest, or is being driven already.

        ``found`` says that somebody else may have sent what is written down as about to be
        sent. Without room nothing happens: the recovery comes back to it.
        """
        drive = self._drives.get(payment.payment_id)
        if drive is not None:
            drive.offer(payment)
            return
        if not payment.in_flight or not self.room:
            return
        drive = _Drive(self, payment, found=found, trace_parent=current_traceparent())
        self._drives[payment.payment_id] = drive
        DRIVEN.set(len(self._drives))
        # A context of its own: the deadline of the call that began it is not that of what follows.
        drive.task = asyncio.create_task(drive.run(), context=Context())
        drive.task.add_done_callback(lambda _: self._forget(payment.payment_id))

    def notice(self, payments: Iterable[Payment]) -> None:
        """Take committed states in of payments that are driven here, whoever changed them."""
        for payment in payments:
            drive = self._drives.get(payment.payment_id)
            if drive is not None:
                drive.offer(payment)

    def nudge(self, payment_id: UUID) -> bool:
        """Probe what is unknown of a payment now; tell whether it is driven here."""
        drive = self._drives.get(payment_id)
        if drive is not None:
            drive.nudge()
        return drive is not None

    async def run(self) -> None:
        """Let payments be driven until ``stop``; if it is cancelled, so are they all, at once."""
        try:
            await self._stopped.wait()
            await self._finish_calls()
        finally:
            self._stopped.set()
            await self._cut_off()

    def stop(self) -> None:
        """Begin no more; what is being called has a moment to be answered."""
        self._stopped.set()

    async def _finish_calls(self) -> None:
        for drive in self._drives.values():
            drive.end()
        if tasks := self._tasks():
            await asyncio.wait(tasks, timeout=_STOP_SECONDS_MAX)

    async def _cut_off(self) -> None:
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [drive.task for drive in self._drives.values() if drive.task is not None]

    def _forget(self, payment_id: UUID) -> None:
        drive = self._drives.pop(payment_id)
        DRIVEN.set(len(self._drives))
        task = drive.task
        if task is not None and not task.cancelled() and task.exception() is not None:
            log.error("wallet.drive_failed", payment_id=str(payment_id), exc_info=task.exception())

    async def record(self, command: RecordAnswers) -> Payment:
        """Record answers, again and again until the database has them.

        Raises:
            Draining: the process ends; whoever drives next asks again.
        """
        pause = _BACK_OFF_SECONDS_MIN
        while True:
            try:
                return await self._record(command)
            except Draining:
                raise
            except Exception as error:
                if not isinstance(error, DomainError) and not is_infrastructure_failure(error):
                    raise
                log.warning("wallet.record_failed", error=repr(error), pause_seconds=pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _BACK_OFF_SECONDS_MAX)

    async def perform(self, step: Step, *, probe_number: int) -> Answer:
        """Make the call of a step."""
        return await self._perform(step, probe_number=probe_number)

    def delay(self, probe_number: int) -> float:
        """Give how long to wait before a probe, in seconds of machine time."""
        return self._delay(probe_number)

    def steps(self, payment: Payment) -> Mapping[_Key, Step]:
        """Give the calls that a state asks for."""
        found = steps(payment, now=self._clock())
        return {_key_of(step): step for step in found}


class _Drive:
    """One payment being driven."""

    def __init__(self, driver: Driver, payment: Payment, *, found: bool, trace_parent: str) -> None:
        self.task: asyncio.Task[None] | None = None
        self._ending = False
        self._driver = driver
        self._payment = payment
        self._trace_parent = trace_parent
        self._wake = asyncio.Event()
        self._nudged = asyncio.Event()
        self._counts: dict[tuple[UUID, LegOperation], int] = {}
        """How often an operation was asked for again."""
        # Whoever wrote it down may have sent it, too.
        self._found = frozenset(driver.steps(payment)) if found else frozenset[_Key]()
        self._calls: dict[_Key, asyncio.Task[Answer]] = {}

    def offer(self, payment: Payment) -> None:
        """Take a newer state in."""
        if payment.version > self._payment.version:
            self._payment = payment
            self._wake.set()

    def nudge(self) -> None:
        """Cut the wait of every probe short."""
        self._nudged.set()

    def end(self) -> None:
        """Begin nothing more; what waits to ask again is left to whoever drives next."""
        self._ending = True
        self._nudged.set()

    async def run(self) -> None:
        """Go on until nothing is left to be asked."""
        continue_trace(self._trace_parent)
        try:
            while self._begin_calls():
                answers = await self._await_answers()
                if answers:
                    self.offer(await self._driver.record(self._command(answers)))
        except Draining:
            log.info("wallet.drive_left", payment_id=str(self._payment.payment_id))
        finally:
            for call in self._calls.values():
                call.cancel()
            await asyncio.gather(*self._calls.values(), return_exceptions=True)

    def _begin_calls(self) -> bool:
        """Begin what the state asks for, and give up what it no longer does; tell whether anything runs."""
        wanted = self._driver.steps(self._payment)
        for key in self._calls.keys() - wanted.keys():
            self._calls.pop(key).cancel()
        if self._ending:
            wanted = {}
        for key in wanted.keys() - self._calls.keys():
            self._calls[key] = call = asyncio.create_task(self._ask(key, wanted[key]))
            call.add_done_callback(self._on_answer)
        return bool(self._calls)

    async def _await_answers(self) -> list[Answer]:
        """Wait for the first answer, or for a newer state, and give all answers that are there.

        What is asked at the same time is mostly answered at the same time: the others get a
        moment, so that one commit has them all. None of them lets the payment go on alone.
        """
        self._wake.clear()
        version = self._payment.version
        if not any(call.done() for call in self._calls.values()):
            await self._wake.wait()
        is_news = self._payment.version > version
        if not is_news and not all(call.done() for call in self._calls.values()):
            await asyncio.wait(self._calls.values(), timeout=_GATHER_SECONDS)
        done = [key for key, call in self._calls.items() if call.done()]
        return [self._calls.pop(key).result() for key in done]

    def _on_answer(self, _: "asyncio.Task[Answer]") -> None:
        self._wake.set()

    async def _ask(self, key: _Key, step: Step) -> Answer:
        """Make the call of a step; what is unknown is asked again until it is known.

        The first unknown outcome is an answer, to be written down; later ones tell nothing new.
        """
        if not step.probe:
            return await self._ask_first(key, step)
        while True:
            number = self._count(key)
            await self._wait(self._driver.delay(number))
            latest = self._driver.steps(self._payment).get(key, step)
            answer = await self._driver.perform(latest, probe_number=number)
            if answer.phase is not LegPhase.OUTCOME_UNKNOWN or _tells_more(answer, step):
                return answer

    async def _ask_first(self, key: _Key, step: Step) -> Answer:
        """Make a step's call for the first time, or find out what became of it when it was found.

        A new try of an operation waits its turn like a probe: the one before it has just failed.
        """
        if key in self._found:
            return await self._driver.perform(step, probe_number=self._count(key))
        if (key.leg_id, key.operation) in self._counts:
            await self._wait(self._driver.delay(self._count(key)))
        else:
            self._counts[key.leg_id, key.operation] = 0
        return await self._driver.perform(step, probe_number=0)

    def _count(self, key: _Key) -> int:
        """Count one more call for an operation of a leg, from 1, whatever the number of its try."""
        number = self._counts.get((key.leg_id, key.operation), 0) + 1
        self._counts[key.leg_id, key.operation] = number
        return number

    async def _wait(self, seconds: float) -> None:
        self._nudged.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._nudged.wait()
        except TimeoutError:
            return
        if self._ending:
            raise Draining("The service is stopping.")

    def _command(self, answers: list[Answer]) -> RecordAnswers:
        return RecordAnswers(
            event_id=new_uuid7(),
            trace_parent=self._trace_parent,
            payment_id=self._payment.payment_id,
            answers=tuple(answers),
        )


def _key_of(step: Step) -> _Key:
    return _Key(step.leg.leg_id, step.leg.operation, step.leg.try_number)


def _tells_more(answer: Answer, step: Step) -> bool:
    """Tell whether an unknown outcome says at least what the provider calls the payment."""
    known = step.leg.provider_reference or step.leg.refund_reference
    return bool(answer.provider_reference) and answer.provider_reference != known
