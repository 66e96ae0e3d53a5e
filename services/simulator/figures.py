"""What the tickets say that the books must show: sums of the input, kept while it is sent."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.common.kernel.money import vat_of_gross
from services.simulator.baskets import Basket


class BasketFigures(NamedTuple):
    """One basket's sums in cents; VAT by rate in basis points, rounded once per ticket and rate."""

    lines: int
    sales_minor: int
    coupon_minor: int
    coupon_excess_minor: int
    vat_minor: tuple[tuple[int, int], ...]


def figures_of(basket: Basket) -> BasketFigures:
    """Sum a basket."""
    gross: dict[int, int] = {}
    coupons = excess = 0
    for product, _, sales_minor, coupon_minor, excess_minor in basket.lines:
        gross[product.vat_rate_bp] = gross.get(product.vat_rate_bp, 0) + sales_minor
        coupons += coupon_minor
        excess += excess_minor
    vat = tuple((rate, vat_of_gross(amount, rate)) for rate, amount in gross.items())
    return BasketFigures(len(basket.lines), sum(gross.values()), coupons, excess, vat)


@dataclass(slots=True)
class InputTally:
    """Running sums over baskets."""

    baskets: int = 0
    lines: int = 0
    sales_minor: int = 0
    coupon_minor: int = 0
    coupon_excess_minor: int = 0
    _vat_minor: Counter[int] = field(default_factory=Counter)

    def add(self, figures: BasketFigures) -> None:
        """Count one more basket."""
        self.baskets += 1
        self.lines += figures.lines
        self.sales_minor += figures.sales_minor
        self.coupon_minor += figures.coupon_minor
        self.coupon_excess_minor += figures.coupon_excess_minor
        for rate_bp, vat in figures.vat_minor:
            self._vat_minor[rate_bp] += vat

    @property
    def vat_minor(self) -> Mapping[int, int]:
        """Give the VAT by rate in basis points, ascending; rates without VAT are left out."""
        return {rate: vat for rate, vat in sorted(self._vat_minor.items()) if vat}
