"""The payment provider as a phone sees it: the page that takes the card, so that no service ever does.

It does what Stripe.js does: it confirms a setup intent with its client secret, authenticated by the publishable key.
Finance's look into the provider's own totals is here too, with the secret key.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from services.simulator.calls import Patience
from services.simulator.errors import ProviderRefusedError

_SUCCEEDED: Final = "succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTotals:
    """What the provider says it did, in cents; refunds are not deducted from what was captured."""

    captured_minor: int
    refunded_minor: int


class ProviderPage:
    """The provider's HTTP API, as far as phones and finance use it. Make it with ``open_page``."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        *,
        publishable_key: str,
        secret_key: str,
        patience: Patience,
    ) -> None:
        """Take the connection, and both keys."""
        self._session = session
        self._publishable_key = publishable_key
        self._secret_key = secret_key
        self._patience = patience

    async def confirm_enrolment(self, reference: str, *, client_secret: str, card: str) -> None:
        """Give the provider the card of an enrolment; one that succeeded before stays as it is.

        ``card`` is a test card's token, or its number as a shopper types it. Raises ProviderRefusedError when the
        provider does not take the card.
        """
        path = f"/v1/setup_intents/{reference}"
        secret = {"client_secret": client_secret}
        intent = await self._ask("GET", path, self._publishable_key, params=secret)
        if intent.get("status") == _SUCCEEDED:
            return
        try:
            answer = await self._ask(
                "POST", f"{path}/confirm", self._publishable_key, data=secret | _card_form(card)
            )
        except ProviderRefusedError:
            # A provider that died after confirming refuses the repetition: look what it did.
            answer = await self._ask("GET", path, self._publishable_key, params=secret)
            if answer.get("status") != _SUCCEEDED:
                raise
        if answer.get("status") != _SUCCEEDED:
            raise ProviderRefusedError(f"The provider did not take a card: {answer.get('status')}.")

    async def read_totals(self) -> ProviderTotals:
        """Ask what the provider has captured and refunded."""
        answer = await self._ask("GET", "/_sandbox/totals", self._secret_key)
        return ProviderTotals(
            captured_minor=answer["captured"]["minor"], refunded_minor=answer["refunded"]["minor"]
        )

    async def _ask(self, method: str, path: str, key: str, **content: Any) -> Mapping[str, Any]:
        headers = {"Authorization": f"Bearer {key}"}
        for attempt in range(1, self._patience.attempts_max + 1):
            try:
                async with self._session.request(
                    method, path, headers=headers, **content
                ) as response:
                    answer = await response.json()
            except (aiohttp.ClientError, TimeoutError) as error:
                if attempt == self._patience.attempts_max:
                    raise ProviderRefusedError(
                        f"The provider does not answer {method} {path}."
                    ) from error
                await asyncio.sleep(self._patience.first_pause_seconds * attempt)
                continue
            if response.status != HTTPStatus.OK:
                code = answer.get("error", {}).get("code") or response.status
                raise ProviderRefusedError(f"The provider refuses {method} {path}: {code}.")
            return dict(answer)
        raise AssertionError("the loop returns or raises")


def _card_form(card: str) -> dict[str, str]:
    if not card.isdecimal():
        return {"payment_method": card}
    fields = {"number": card, "exp_month": "12", "exp_year": "2034", "cvc": "123"}
    typed = {f"payment_method_data[card][{name}]": value for name, value in fields.items()}
    return {"payment_method_data[type]": "card", **typed}


@asynccontextmanager
async def open_page(
    url: str, *, publishable_key: str, secret_key: str, patience: Patience
) -> AsyncIterator[ProviderPage]:
    """Connect to the provider; it is reached at the first call."""
    timeout = aiohttp.ClientTimeout(total=patience.deadline_seconds)
    async with aiohttp.ClientSession(url, timeout=timeout) as session:
        yield ProviderPage(
            session, publishable_key=publishable_key, secret_key=secret_key, patience=patience
        )
