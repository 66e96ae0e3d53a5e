"""The experiment: a replay with phones while parts of its stack are killed, then the proof that nothing was lost."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from deploy.local.info import stack_info
from deploy.local.paths import StackPaths
from services.auditor import run_verify
from services.auditor.render import render_report, shown_progress
from services.chaos.killing import Killer
from services.chaos.plan import plan_kills
from services.chaos.report import ChaosReport
from services.replaying import endpoints_of
from services.simulator.calls import Patience
from services.simulator.receipts import Audited, Receipts
from services.simulator.replay import ReplayOptions, run_replay
from services.simulator.report import ReplayReport
from services.simulator.stack import open_stack

_PATIENCE: Final = Patience(attempts_max=200, pause_seconds_max=1.0)
"""Longer than any part is away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillOptions:
    """How to kill, and what is going on meanwhile."""

    rounds: int
    seed: int
    baskets: int
    phones_percent: int
    wait_seconds: float
    """How long events that are under way may take before the proof."""


def run_kills(
    paths: StackPaths, options: KillOptions, *, console: Console, report: Callable[[str], None]
) -> ChaosReport:
    """Make the experiment on a running stack on the simulated clock.

    Raises ChaosError when a part stays away, ReplayError when a till or phone was told something wrong.
    """
    killer = Killer(paths, report=report)
    receipts = Receipts()
    replayed = asyncio.run(_replay_while_killing(paths, options, killer, receipts, console))
    verify_ok = _verify(paths, options, console)
    report("Asking for everything that tills and phones were told is done.")
    audited = asyncio.run(_audit(paths, receipts))
    report("The same replay again, undisturbed: everything in it is known by now.")
    repeated = asyncio.run(_replay(paths, options, None, console))
    return ChaosReport(
        seed=options.seed,
        rounds_asked=options.rounds,
        rounds_done=killer.rounds_done,
        recoveries=tuple(killer.recoveries),
        replay=replayed,
        receipts=audited,
        repeated=repeated,
        verify_ok=verify_ok and _verify(paths, options, console),
    )


async def _replay_while_killing(
    paths: StackPaths, options: KillOptions, killer: Killer, receipts: Receipts, console: Console
) -> ReplayReport:
    kills = plan_kills(rounds=options.rounds, seed=options.seed)
    replay = asyncio.create_task(_replay(paths, options, receipts, console))
    killing = asyncio.create_task(killer.run(kills))
    try:
        await asyncio.wait({replay, killing}, return_when=asyncio.FIRST_COMPLETED)
        if killing.done():
            killing.result()
        return await replay
    finally:
        for task in (replay, killing):
            task.cancel()
        await asyncio.gather(replay, killing, return_exceptions=True)


async def _replay(
    paths: StackPaths, options: KillOptions, receipts: Receipts | None, console: Console
) -> ReplayReport:
    return await run_replay(
        endpoints_of(paths),
        ReplayOptions(
            baskets=options.baskets,
            phones_percent=options.phones_percent,
            patience=_PATIENCE,
            receipts=receipts,
        ),
        console=console,
    )


async def _audit(paths: StackPaths, receipts: Receipts) -> tuple[Audited, ...]:
    async with open_stack(endpoints_of(paths), patience=_PATIENCE) as stack:
        return await receipts.audit(stack)


def _verify(paths: StackPaths, options: KillOptions, console: Console) -> bool:
    info = stack_info(paths)
    with shown_progress(console) as listen:
        found = run_verify(
            ledger_dsn=info.database_urls["ledger"],
            points_dsn=info.database_urls["points"],
            wallet_dsn=info.database_urls["wallet"],
            provider_url=info.sandbox_url,
            provider_key=info.sandbox_key,
            progress=listen,
            wait_seconds=options.wait_seconds,
        )
    if not found.ok:
        console.print(render_report(found))
    return found.ok
