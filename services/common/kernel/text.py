"""Text that people and machines send: what none of it may hold."""

import re
from typing import Final

# C0 and C1 controls, line and paragraph separators, and what turns the direction of writing: in a
# log, on a receipt or in a list they make a text look like another one, and NUL is no text at all.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def holds_control(text: str) -> bool:
    """Tell whether a text holds a control character; spaces of every kind and emoji are none."""
    return _CONTROL.search(text) is not None
