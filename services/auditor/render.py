"""Showing an audit on a terminal: rows covered while it runs, verdicts when it is done."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from services.auditor.report import BreakKind, Check, VerifyReport
from services.auditor.tally import Listener
from services.auditor.tally import Progress as Covered


@contextmanager
def shown_progress(console: Console) -> Iterator[Listener]:
    """Show one line that moves while the audit runs, and leave nothing behind."""
    columns = (
        SpinnerColumn(),
        TextColumn("verify"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:,.0f} rows"),
        TextColumn("{task.description}", style="dim"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def listen(covered: Covered) -> None:
            bar.update(task, advance=covered.rows, description=covered.check)

        yield listen


def title(report: VerifyReport) -> str:
    """Say the verdict in a line."""
    verdict = (
        f"every check passed{_acknowledged(report)}"
        if report.ok
        else f"{len(report.failed())} of {len(report.checks)} checks FAILED {_kinds(report)}"
    )
    return f"verify: {verdict}"


def render_report(report: VerifyReport) -> Table:
    """Return a table of verdicts: the check, its rows, and what it proved or who broke it."""
    table = Table(title=title(report), title_style="bold green" if report.ok else "bold red")
    table.add_column("")
    table.add_column("check", no_wrap=True)
    table.add_column("rows", justify="right", no_wrap=True)
    table.add_column("detail", overflow="fold")
    for check in report.checks:
        table.add_row(_mark(check), check.name, f"{check.checked:,}", _detail(check))
    return table


def render_unused(report: VerifyReport) -> Iterator[str]:
    """Give a line for each acknowledgement that matches no break: it is gone, has changed, or is one of the proof."""
    for one in report.unused or ():
        yield f"acknowledged, but no break of business any more: {one.check}: {one.line()}"


def _mark(check: Check) -> Text:
    if not check.ok:
        return Text(check.kind.upper(), style="bold red")
    return Text("known", style="yellow") if check.acknowledged else Text("ok", style="green")


def _acknowledged(report: VerifyReport) -> str:
    """Say how many breaks were acknowledged, so that nobody takes them for none."""
    count = sum(len(check.acknowledged) for check in report.checks)
    return f", but for {count} acknowledged" if count else ""


def _kinds(report: VerifyReport) -> str:
    """Say what kind of break failed: only one of the proof is a reason to stop anything."""
    kinds = Counter(check.kind for check in report.failed())
    late = f", {kinds[BreakKind.LAG]} lag" if kinds[BreakKind.LAG] else ""
    return f"({kinds[BreakKind.PROOF]} of the proof, {kinds[BreakKind.BUSINESS]} business{late})"


def _detail(check: Check) -> Text:
    """Return a check's detail and further offenders, a line each, never read as markup."""
    lines = [
        check.detail,
        *(f"· {offender}" for offender in check.offenders[1:]),
        *(f"· {one.line()}" for one in check.acknowledged),
    ]
    return Text("\n".join(lines))
