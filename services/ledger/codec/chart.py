"""Reads a chart of accounts from its YAML file. A mistake in the file stops the start-up with a sentence."""

import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from services.ledger.domain.chart import (
    GL_SEGMENT,
    AccountPattern,
    Chart,
    LoyaltyAccounts,
    VatLine,
    WalletAccounts,
)

_GL_CODE: Final = re.compile(r"[0-9]{6}")
_ASSET: Final = re.compile(r"[A-Z]{3}")


DEFAULT_PACKAGE: Final = "deploy"
DEFAULT_FILE: Final = "charts/pcg.yaml"
"""The chart that is delivered, within its package."""


class ChartInvalid(ValueError):
    """The chart contradicts itself; the message says where."""


def parse_chart(text: str) -> Chart:
    """Parse and check a chart.

    Raises:
        ChartInvalid: a part is missing or malformed, or names an account that no pattern opens.
    """
    try:
        chart = _read(yaml.safe_load(text))
    except (KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise ChartInvalid(f"The chart of accounts is malformed: {error!r}") from error
    for problem in _problems(chart):
        raise ChartInvalid(problem)
    return chart


def load_chart(path: Path | None) -> Chart:
    """Read a chart from a file, or the one that is delivered when there is no path.

    Raises:
        ChartInvalid: see ``parse_chart``.
        OSError: the file cannot be read.
    """
    file = files(DEFAULT_PACKAGE).joinpath(DEFAULT_FILE) if path is None else path
    return parse_chart(file.read_text(encoding="utf-8"))


def _read(data: Mapping[str, Any]) -> Chart:
    return Chart(
        labels={str(code): str(label) for code, label in data["gl_accounts"].items()},
        patterns=[_pattern(row) for row in data["accounts"]],
        vat_lines={
            int(row["rate_bp"]): VatLine(row["sales"], row["vat"]) for row in data["vat_rates"]
        },
        tenders={str(kind): str(path) for kind, path in data["tenders"].items()},
        reductions=frozenset(data["reductions"]["kinds"]),
        reduction_account=str(data["reductions"]["account"]),
        loyalty={
            str(currency): LoyaltyAccounts(**row) for currency, row in data["loyalty"].items()
        },
        wallet=WalletAccounts(**data["wallet"]),
    )


def _pattern(row: Mapping[str, Any]) -> AccountPattern:
    return AccountPattern(
        path=tuple(row["path"].split("/")),
        asset=row["asset"],
        floor=row.get("floor"),
        gl_code=row.get("gl_code"),
    )


def _problems(chart: Chart) -> Iterator[str]:
    for code in chart.labels:
        if not _GL_CODE.fullmatch(code):
            yield f"The GL code {code} does not have six digits."
    for pattern in chart.patterns:
        for problem in _pattern_problems(pattern, chart):
            yield f"The pattern {'/'.join(pattern.path)} {problem}."
    for name, asset in _named_accounts(chart):
        spec = chart.spec_for(name)
        if spec is None or spec.asset != asset:
            yield f"No pattern opens {name} as an account of {asset}."
    for rate_bp, line in chart.vat_lines.items():
        if (rate_bp == 0) != (line.vat_account is None):
            yield f"The VAT rate {rate_bp} needs a VAT account, and only a rate of 0 has none."


def _pattern_problems(pattern: AccountPattern, chart: Chart) -> Iterator[str]:
    if pattern.gl_code is None and GL_SEGMENT not in pattern.path:
        yield "does not say its GL code"
    if pattern.gl_code is not None and pattern.gl_code not in chart.labels:
        yield f"has the unknown GL code {pattern.gl_code}"
    if not _ASSET.fullmatch(pattern.asset):
        yield f"has the malformed asset {pattern.asset}"
    if pattern.floor is not None and pattern.floor > 0:
        yield "has a floor above zero"


def _named_accounts(chart: Chart) -> Iterator[tuple[str, str]]:
    """Give every account that the rules may post to, with the asset that it must have."""
    for line in chart.vat_lines.values():
        yield line.sales_account, "EUR"
        if line.vat_account is not None:
            yield line.vat_account, "EUR"
    for path in chart.tenders.values():
        yield path.format(store="0"), "EUR"
    yield chart.reduction_account, "EUR"
    for loyalty in chart.loyalty.values():
        for name in (loyalty.issued, loyalty.spent, loyalty.expired, loyalty.of_member("0")):
            yield name, loyalty.asset
    for name in (chart.wallet.card, chart.wallet.clearing, chart.wallet.prepaid_of("0")):
        yield name, "EUR"
