"""What the wallet's driver does about unknown outcomes, without its waits."""

import asyncio
from collections.abc import Awaitable, Callable

from services.wallet.clients.answer import CallAnswer
from services.wallet.clients.provider import CardCall, Provider
from services.wallet.domain.ladder import Rung, rung
from services.wallet.domain.leg import LegPhase

PROBES_MAX = 300
_WAIT_SECONDS = 0.2


async def found_out(provider: Provider, call: CardCall, *, wanted: bool) -> CallAnswer:
    """Climb the ladder until the outcome of an authorization is known."""
    rungs = {
        Rung.RETRY: provider.retry_authorization,
        Rung.LOOK_UP: provider.look_up_authorization,
        Rung.BURN: provider.burn_authorization,
    }
    return await _until_known(lambda probe: rungs[rung(probe, wanted=wanted)](call))


async def repeated(ask: Callable[[CardCall], Awaitable[CallAnswer]], call: CardCall) -> CallAnswer:
    """Ask what came of a change until it is known."""
    return await _until_known(lambda _: ask(call))


async def _until_known(ask: Callable[[int], Awaitable[CallAnswer]]) -> CallAnswer:
    answers: list[CallAnswer] = []
    for probe in range(1, PROBES_MAX + 1):
        answers.append(await ask(probe))
        if answers[-1].phase is not LegPhase.OUTCOME_UNKNOWN:
            return answers[-1]
        await asyncio.sleep(_WAIT_SECONDS)
    raise AssertionError(f"still unknown after {PROBES_MAX} probes: {answers}")
