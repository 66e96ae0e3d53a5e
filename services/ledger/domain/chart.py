"""The chart of accounts: GL accounts, accounts that open by themselves, and where a sale goes.

The chart is data (``deploy/charts/pcg.yaml``): French PCG roots with six digits. A retailer replaces the codes by
editing the file, not the rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.ledger.domain.account import AccountSpec

GL_SEGMENT: Final = "{gl}"
"""Placeholder of a path whose segment is the account's GL code."""


@dataclass(frozen=True, slots=True)
class AccountPattern:
    """Accounts that open by themselves when a transaction names them.

    ``path`` holds the segments of a name, with placeholders in braces for any segment, for example ``gl``, ``{gl}``,
    ``stores``, ``{store}``. ``gl_code`` is None where the ``{gl}`` segment says it.
    """

    path: tuple[str, ...]
    asset: str
    floor: int | None
    gl_code: str | None

    def gl_code_of(self, segments: Sequence[str]) -> str | None:
        """Give the GL code of the account with these segments, or None when they do not fit the path."""
        if len(segments) != len(self.path):
            return None
        gl_code = self.gl_code
        for wanted, segment in zip(self.path, segments, strict=True):
            if wanted == GL_SEGMENT:
                gl_code = segment
            elif not wanted.startswith("{") and wanted != segment:
                return None
        return gl_code


@dataclass(frozen=True, slots=True)
class VatLine:
    """Where sales of one VAT rate go: net sales, and collected VAT (None for a rate of 0)."""

    sales_account: str
    vat_account: str | None


@dataclass(frozen=True, slots=True)
class LoyaltyAccounts:
    """Where quantities of one loyalty currency go. ``members`` is a path with ``{member}``."""

    asset: str
    issued: str
    spent: str
    expired: str
    members: str

    def of_member(self, member_id: object) -> str:
        """Name the account of one member."""
        return self.members.format(member=member_id)


@dataclass(frozen=True, slots=True)
class WalletAccounts:
    """Where what is paid by phone goes. ``prepaid`` is a path with ``{customer}``.

    ``clearing`` takes what prepaid holds give and sales use up: it is zero when every settlement met its hold.
    """

    card: str
    prepaid: str
    clearing: str

    def prepaid_of(self, customer_id: object) -> str:
        """Name the account of one customer's prepaid balance."""
        return self.prepaid.format(customer=customer_id)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart of accounts.

    ``labels`` names each GL account by its code; ``vat_lines`` is by rate in basis points; ``tenders`` gives each kind
    of tender the path of its account, with ``{store}``; ``reductions`` are the kinds that lower the price instead, into
    ``reduction_account``; ``loyalty`` is by currency (``POINTS``, ``KITTY``); ``wallet`` is for what phones pay.
    """

    labels: Mapping[str, str]
    patterns: Sequence[AccountPattern]
    vat_lines: Mapping[int, VatLine]
    tenders: Mapping[str, str]
    reductions: frozenset[str]
    reduction_account: str
    loyalty: Mapping[str, LoyaltyAccounts]
    wallet: WalletAccounts

    def spec_for(self, name: str) -> AccountSpec | None:
        """Describe the account that a name opens by itself, or None when no pattern fits."""
        segments = name.split("/")
        for pattern in self.patterns:
            gl_code = pattern.gl_code_of(segments)
            if gl_code is not None and gl_code in self.labels:
                return AccountSpec(name, pattern.asset, pattern.floor, gl_code)
        return None
