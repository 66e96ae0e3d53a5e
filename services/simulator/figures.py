"""What the tickets say that the books must show: sums of the input, kept while it is sent."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from services.common.kernel.money import allocate, vat_of_gross
from services.simulator.baskets import Basket


class BasketFigures(NamedTuple):
    """One basket's sums in cents; VAT by rate in basis points, rounded once per ticket and rate."""

    lines: int
    sales_minor: int
    coupon_minor: int
    coupon_excess_minor: int
    vat_minor: tuple[tuple[int, int], ...]


def gross_by_rate(basket: Basket) -> tuple[tuple[int, int], ...]:
    """Sum a basket's sales in cents by VAT rate in basis points, ascending by rate."""
    gross: dict[int, int] = {}
    for line in basket.lines:
        rate = line.product.vat_rate_bp
        gross[rate] = gross.get(rate, 0) + line.sales_minor
    return tuple(sorted(gross.items()))


def vat_of_reduced(
    gross: tuple[tuple[int, int], ...], reduction_minor: int
) -> tuple[tuple[int, int], ...]:
    """Give the VAT by rate when kitty or points reduce the price, each rate by its share of the sales."""
    shares = allocate(reduction_minor, [amount for _, amount in gross])
    return tuple(
        (rate, vat_of_gross(amount - share, rate))
        for (rate, amount), share in zip(gross, shares, strict=True)
    )


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
