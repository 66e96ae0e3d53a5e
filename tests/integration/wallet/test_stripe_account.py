"""The Stripe adapter against the sandbox provider: enrolments, the list of events, and trouble with everything."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace

import pytest

from deploy.local.ports import any_free_port
from services.common.kernel.ids import new_uuid7
from services.wallet.clients.answer import CallAnswer
from services.wallet.clients.provider import CardCall, ProviderUnavailable
from services.wallet.domain.leg import LegPhase
from tests.integration.wallet.card_desk import HASTY_SECONDS, CardDesk, open_adapter


class TestEnrolment:
    async def test_a_card_is_taken_over_as_tokens_once_the_phone_has_finished(
        self, desk: CardDesk
    ) -> None:
        """An enrolment has no card before the phone confirms it at the provider, and then its tokens."""
        customer = await desk.provider.register_shopper(new_uuid7())
        enrolment = await desk.provider.start_enrolment(customer, request_id=new_uuid7())
        before = await desk.provider.read_enrolment(enrolment.provider_reference)

        await _confirm(desk, enrolment.provider_reference, "pm_card_visa")
        card = await desk.provider.read_enrolment(enrolment.provider_reference)

        assert before is None
        assert card is not None
        assert (card.provider_customer, card.brand, card.last_four) == (customer, "visa", "4242")
        assert card.provider_method.startswith("pm_")
        assert card.fingerprint

    async def test_an_enrolment_that_failed_or_never_was_has_no_card(self, desk: CardDesk) -> None:
        """A card that the bank refuses to enroll, and a reference that nobody knows."""
        customer = await desk.provider.register_shopper(new_uuid7())
        enrolment = await desk.provider.start_enrolment(customer, request_id=new_uuid7())
        await _confirm(desk, enrolment.provider_reference, "pm_card_setupDeclined")

        assert await desk.provider.read_enrolment(enrolment.provider_reference) is None
        assert await desk.provider.read_enrolment("seti_unknown") is None

    async def test_repetitions_find_the_same(self, desk: CardDesk) -> None:
        """A shopper is registered once, an enrolment begun once, whatever answer was lost."""
        customer_id, request_id = new_uuid7(), new_uuid7()

        customers = {await desk.provider.register_shopper(customer_id) for _ in range(2)}
        [customer] = customers
        enrolments = [
            await desk.provider.start_enrolment(customer, request_id=request_id) for _ in range(2)
        ]

        assert enrolments[0] == enrolments[1]
        assert enrolments[0].client_secret not in repr(enrolments[0])

    async def test_a_detached_card_pays_nothing(self, desk: CardDesk) -> None:
        """A detached method is refused, and detaching it again is no error."""
        customer = await desk.provider.register_shopper(new_uuid7())
        enrolment = await desk.provider.start_enrolment(customer, request_id=new_uuid7())
        await _confirm(desk, enrolment.provider_reference, "pm_card_visa")
        card = await desk.provider.read_enrolment(enrolment.provider_reference)
        assert card is not None
        call = replace(
            await desk.call(card.provider_method), provider_customer=card.provider_customer
        )

        for _ in range(2):
            await desk.provider.detach(card.provider_method)

        assert (await desk.provider.authorize(call)).phase is LegPhase.NOT_SENT


class TestTrouble:
    async def test_nobody_there_is_not_sent_at_first_and_unknown_later(
        self, desk: CardDesk
    ) -> None:
        """Without a connection nothing was sent; of what was sent before, that says nothing."""
        call = await desk.call("pm_card_visa")
        authorized = replace(call, provider_reference="pi_any")

        async with open_adapter(f"http://127.0.0.1:{any_free_port()}") as provider:
            first = await provider.authorize(call)
            later = [
                await provider.retry_authorization(call),
                await provider.look_up_authorization(call),
                await provider.burn_authorization(call),
                await provider.capture(authorized),
                await provider.find_out_capture(authorized),
                await provider.cancel(authorized),
                await provider.refund(authorized),
                await provider.find_out_refund(authorized),
            ]
            with pytest.raises(ProviderUnavailable):
                await provider.register_shopper(new_uuid7())

        assert first.phase is LegPhase.NOT_SENT
        assert {answer.phase for answer in later} == {LegPhase.OUTCOME_UNKNOWN}

    async def test_a_wrong_key_is_not_sent_at_first_and_unknown_later(self, desk: CardDesk) -> None:
        """Who is not let in has done nothing, and learns nothing of what was done before."""
        call = await desk.call("pm_card_visa")

        async with open_adapter(desk.sandbox.url, key="sk_test_wrong") as provider:
            first = await provider.authorize(call)
            later = await provider.burn_authorization(call)

        assert (first.phase, later.phase) == (LegPhase.NOT_SENT, LegPhase.OUTCOME_UNKNOWN)

    async def test_a_hanging_provider_piles_up_no_more_than_its_connections(
        self, desk: CardDesk
    ) -> None:
        """A call beyond the limit waits for its turn and reaches nobody."""
        hanging = [await desk.call("pm_card_hang") for _ in range(2)]
        other = await desk.call("pm_card_visa")

        async with (
            open_adapter(desk.sandbox.url, connections_max=2) as provider,
            asyncio.TaskGroup() as group,
        ):
            calls = [group.create_task(provider.authorize(call)) for call in hanging]
            while not await _both_arrived(desk, hanging):  # noqa: ASYNC110 -- another process ends it
                await asyncio.sleep(0.02)
            waited = await _for(HASTY_SECONDS, provider.authorize(other))
            for task in calls:
                task.cancel()

        assert waited is None
        assert await desk.intents(other) == []

    async def test_who_gets_no_turn_in_time_has_sent_nothing(self, desk: CardDesk) -> None:
        """The deadline counts from the first wait, and waiting is not sending."""
        hanging = await desk.call("pm_card_hang")
        others = [await desk.call("pm_card_visa") for _ in range(4)]

        async with open_adapter(
            desk.sandbox.url, timeout_seconds=HASTY_SECONDS, connections_max=1
        ) as provider:
            first, *rest = await asyncio.gather(
                provider.authorize(hanging), *(provider.authorize(other) for other in others)
            )

        # The first of those who wait may get its turn in the very moment that the time is over.
        waited = [
            other
            for other, answer in zip(others, rest, strict=True)
            if answer.phase is LegPhase.NOT_SENT
        ]
        assert first.phase is LegPhase.OUTCOME_UNKNOWN
        assert waited
        assert [await desk.intents(other) for other in waited] == [[] for _ in waited]


class TestEvents:
    async def test_events_are_read_on_from_a_cursor_in_their_order(self, desk: CardDesk) -> None:
        """What happened to a payment is told oldest first, by our names, and nothing twice."""
        call = await desk.authorized("pm_card_visa")
        *_, cursor = await desk.provider.list_events(after="")

        await desk.provider.capture(call)
        await desk.provider.refund(call)
        events = await desk.provider.list_events(after=cursor.provider_event_id)

        assert events[0].event_type == "payment_intent.succeeded"
        assert {event.object_reference for event in events} == {call.provider_reference}
        assert {event.payment_id for event in events} == {call.payment_id}
        assert await desk.provider.list_events(after=events[-1].provider_event_id) == []

    async def test_a_cursor_that_the_provider_has_forgotten_begins_anew(
        self, desk: CardDesk
    ) -> None:
        """Events are kept for a month; after a longer sleep the latest ones follow."""
        await desk.authorized("pm_card_visa")

        assert await desk.provider.list_events(after="evt_forgotten")


async def _confirm(desk: CardDesk, reference: str, card: str) -> None:
    await desk.sandbox.post(f"/v1/setup_intents/{reference}/confirm", payment_method=card)


async def _both_arrived(desk: CardDesk, calls: list[CardCall]) -> bool:
    return all([bool(await desk.intents(call)) for call in calls])


async def _for(seconds: float, request: Awaitable[CallAnswer]) -> CallAnswer | None:
    try:
        async with asyncio.timeout(seconds):
            return await request
    except TimeoutError:
        return None
