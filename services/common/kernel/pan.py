"""Recognising card numbers, so that none is ever stored or logged.

A PAN has 13 to 19 digits, passes Luhn, and begins with a payment scheme's prefix. People
write it in groups, so one space, dot, dash, slash or underscore may stand between digits.
"""

import re
from collections.abc import Iterator
from typing import Final

DIGITS_MIN: Final = 13
DIGITS_MAX: Final = 19
_SHOWN_DIGITS: Final = 4
_TWO_DIGITS_FROM: Final = 10

# Each scheme's prefixes as inclusive ranges, and the lengths it issues.
_SCHEMES: Final[tuple[tuple[str, str, int, int], ...]] = (
    ("4", "4", 13, 19),  # Visa, Carte Bancaire
    ("51", "55", 16, 16),  # Mastercard
    ("2221", "2720", 16, 16),  # Mastercard
    ("34", "34", 15, 15),  # American Express
    ("37", "37", 15, 15),  # American Express
    ("300", "305", 14, 19),  # Diners Club
    ("3095", "3095", 14, 19),  # Diners Club
    ("36", "36", 14, 19),  # Diners Club
    ("38", "39", 14, 19),  # Diners Club
    ("3528", "3589", 16, 19),  # JCB
    ("50", "50", 13, 19),  # Maestro
    ("56", "69", 13, 19),  # Maestro, Discover, UnionPay, RuPay
    ("81", "82", 16, 19),  # UnionPay, RuPay
    ("2200", "2205", 16, 19),  # Mir
)

_SEPARATOR: Final = "[ \\-._/\u00a0\u2009\u202f]"
_CANDIDATE: Final = re.compile(rf"\d(?:{_SEPARATOR}?\d){{{DIGITS_MIN - 1},}}")
_GROUP: Final = re.compile(r"\d+")
# An id in its own format is no card number, even where its digits happen to fit.
_UUID: Final = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b", re.ASCII)


def looks_like_pan(text: str) -> bool:
    """Tell whether the text contains anything that looks like a card number."""
    return next(_find_pans(text), None) is not None


def mask_pans(text: str) -> str:
    """Replace all but the last four digits of every card number by asterisks."""
    masked = list(text)
    for start, end in _find_pans(text):
        places = [index for index in range(start, end) if text[index].isdigit()]
        for index in places[:-_SHOWN_DIGITS]:
            masked[index] = "*"
    return "".join(masked)


def _find_pans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the (start, end) of every card number, left to right, not overlapping."""
    if _CANDIDATE.search(text) is None:  # Nearly every text leaves here.
        return
    plain = _UUID.sub(lambda match: "x" * len(match[0]), text)
    for run in _CANDIDATE.finditer(plain):
        yield from _find_in_run(run)


def _find_in_run(run: re.Match[str]) -> Iterator[tuple[int, int]]:
    """Look at every sequence of whole digit groups within one run.

    Groups are never cut: any long number contains a Luhn number somewhere, and a card
    number beside another one ("4111 1111 1111 1111 12/27") is a sequence of groups.
    """
    groups = [
        (run.start() + match.start(), run.start() + match.end(), match[0])
        for match in _GROUP.finditer(run[0])
    ]
    first = 0
    while first < len(groups):
        last = _pan_end(groups, first)
        if last is None:
            first += 1
            continue
        yield groups[first][0], groups[last][1]
        first = last + 1


def _pan_end(groups: list[tuple[int, int, str]], first: int) -> int | None:
    """Give the index of the group that ends the longest card number from ``first``."""
    digits = ""
    found = None
    for index in range(first, len(groups)):
        digits += groups[index][2]
        if len(digits) > DIGITS_MAX:
            break
        if len(digits) >= DIGITS_MIN and _is_pan(digits):
            found = index
    return found


def _is_pan(digits: str) -> bool:
    plain = "".join(str(int(digit)) for digit in digits)  # Any script's digits.
    return _has_scheme(plain) and _passes_luhn(plain)


def _has_scheme(digits: str) -> bool:
    return any(
        low <= digits[: len(low)] <= high and shortest <= len(digits) <= longest
        for low, high, shortest, longest in _SCHEMES
    )


def _passes_luhn(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value >= _TWO_DIGITS_FROM else value
    return total % 10 == 0
