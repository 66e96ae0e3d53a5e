"""Page tokens of statements: a place (seq, layer) as text that callers only hand back."""

from typing import Final

from services.ledger.domain.transaction import InvalidCommand

NEWEST: Final = (2**63 - 1, 0)
"""The place before which every posting lies."""

PAGE_SIZE_DEFAULT: Final = 100
PAGE_SIZE_MAX: Final = 1000


def parse_page_token(token: str) -> tuple[int, int]:
    """Parse a token, or give the newest place for an empty one.

    Raises:
        InvalidCommand: the token is none of ours.
    """
    if not token:
        return NEWEST
    seq, dot, layer = token.partition(".")
    if dot and seq.isascii() and seq.isdigit() and layer in {"0", "1", "2"}:
        place = int(seq), int(layer)
        if place < NEWEST:
            return place
    raise InvalidCommand(
        "The page token is not from a previous response.",
        violations=[("page_token", "is not from a previous response")],
    )


def render_page_token(place: tuple[int, int] | None) -> str:
    """Render a place, or nothing at the end of the statement."""
    return f"{place[0]}.{place[1]}" if place else ""


def page_size(wanted: int) -> int:
    """Give the number of lines for what a caller asked for."""
    return min(wanted or PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX)
