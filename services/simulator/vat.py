"""Which French VAT rate a department of the demo's data bears.

The data knows departments, not tax codes, so the map is a simplification that anyone can
recompute: a department has one rate, whatever the product. (Beer and wine inside ``GROCERY``
therefore bear the food rate here; a retailer's own product file would not.)
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

FOOD_BP: Final = 550
"""5.5 %: food and drink to take home (code général des impôts, article 278-0 bis)."""

PREPARED_BP: Final = 1_000
"""10 %: food to eat at once (279 m), flowers and plants (278 bis)."""

STANDARD_BP: Final = 2_000
"""20 %: everything else, and every product or department we do not know (278)."""

_RATE_BP_BY_DEPARTMENT: Final[Mapping[str, int]] = MappingProxyType(
    {
        "DELI": FOOD_BP,
        "FROZEN GROCERY": FOOD_BP,
        "GROCERY": FOOD_BP,
        "MEAT": FOOD_BP,
        "MEAT-PCKGD": FOOD_BP,
        "NUTRITION": FOOD_BP,
        "PASTRY": FOOD_BP,
        "PROD-WHS SALES": FOOD_BP,
        "PRODUCE": FOOD_BP,
        "SEAFOOD": FOOD_BP,
        "SEAFOOD-PCKGD": FOOD_BP,
        "CHEF SHOPPE": PREPARED_BP,
        "FLORAL": PREPARED_BP,
        "RESTAURANT": PREPARED_BP,
        "SALAD BAR": PREPARED_BP,
        "AUTOMOTIVE": STANDARD_BP,
        "CHARITABLE CONT": STANDARD_BP,
        "CNTRL/STORE SUP": STANDARD_BP,
        "COSMETICS": STANDARD_BP,
        "COUPON": STANDARD_BP,
        "DRUG GM": STANDARD_BP,
        "ELECT &PLUMBING": STANDARD_BP,
        "FUEL": STANDARD_BP,
        "GARDEN CENTER": STANDARD_BP,
        "GM MERCH EXP": STANDARD_BP,
        "HOUSEWARES": STANDARD_BP,
        "MISCELLANEOUS": STANDARD_BP,
        "PHOTO & VIDEO": STANDARD_BP,
        "POSTAL CENTER": STANDARD_BP,
        "SPIRITS": STANDARD_BP,
        "TOYS": STANDARD_BP,
        "TRAVEL & LEISURE": STANDARD_BP,
    }
)


def vat_rate_bp(department: str) -> int:
    """Give the department's VAT rate in basis points; an unknown one bears the standard rate."""
    return _RATE_BP_BY_DEPARTMENT.get(department, STANDARD_BP)


def known_departments() -> Mapping[str, int]:
    """Give the whole table, department to basis points, for documents and checks."""
    return _RATE_BP_BY_DEPARTMENT
