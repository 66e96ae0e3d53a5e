"""Form-encoded parameters as Stripe's clients write them: ``card[number]=...&expand[0]=...``."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from services.simulator.sandbox.refusals import bad_parameter, missing_parameter, unknown_parameter

Tree: TypeAlias = "dict[str, str | Tree]"
"""Nested parameters; an array is a tree whose keys are positions."""

_BOOLEANS: Final = {"true": True, "false": False}
_DEPTH_MAX: Final = 5
_INTEGER_DIGITS_MAX: Final = 15
_METADATA_MAX: Final = 50
_METADATA_VALUE_MAX: Final = 500


def parse_form(pairs: Iterable[tuple[str, str]]) -> Tree:
    """Return the nested parameters; raises ApiRefusal for a name that cannot be read."""
    root: Tree = {}
    for name, value in pairs:
        head, *inner = name.replace("]", "").split("[")
        if len(inner) > _DEPTH_MAX:
            raise bad_parameter(head, "The parameter is nested too deeply.")
        tree = root
        for outer, following in zip([head, *inner], inner, strict=False):
            branch = tree.setdefault(_position(tree, outer), {})
            if isinstance(branch, str):
                raise bad_parameter(head, f"The parameter has both a value and [{following}].")
            tree = branch
        tree[_position(tree, inner[-1] if inner else head)] = value
    return root


def content_hash(method: str, path: str, tree: Tree) -> bytes:
    """Return what tells two requests under one idempotency key apart; the order of parameters does not."""
    lines = sorted(_lines("", tree))
    return hashlib.sha256("\n".join([method, path, *lines]).encode()).digest()


class Params:
    """The parameters of one request, each taken once by its name and type; what nobody took is refused."""

    def __init__(self, tree: Tree, *, within: str = "") -> None:
        self._rest = dict(tree)
        self._within = within

    def text(self, name: str) -> str | None:
        """Take a text, or None where it is absent or empty."""
        value = self._rest.pop(name, None)
        if isinstance(value, dict):
            raise bad_parameter(self._full(name), "Invalid string.")
        return value or None

    def required(self, name: str) -> str:
        """Take a text that must be there."""
        value = self.text(name)
        if value is None:
            raise missing_parameter(self._full(name))
        return value

    def integer(self, name: str, *, at_least: int) -> int | None:
        """Take a whole number, or None where it is absent."""
        value = self.text(name)
        if value is None:
            return None
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= _INTEGER_DIGITS_MAX):
            raise bad_parameter(self._full(name), "Invalid integer.", "parameter_invalid_integer")
        if int(value) < at_least:
            message = f"This value must be greater than or equal to {at_least}."
            raise bad_parameter(self._full(name), message, "parameter_invalid_integer")
        return int(value)

    def boolean(self, name: str) -> bool | None:
        """Take ``true`` or ``false``, or None where it is absent."""
        value = self.text(name)
        if value is None:
            return None
        if value not in _BOOLEANS:
            raise bad_parameter(self._full(name), "Invalid boolean.")
        return _BOOLEANS[value]

    def choice(self, name: str, options: Sequence[str]) -> str | None:
        """Take one of the options, or None where it is absent."""
        value = self.text(name)
        if value is not None and value not in options:
            message = f"Invalid {self._full(name)}: must be one of {', '.join(options)}."
            raise bad_parameter(self._full(name), message)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Take an array of texts."""
        value = self._rest.pop(name, {})
        if isinstance(value, str):
            raise bad_parameter(self._full(name), "Invalid array.")
        return tuple(item for item in value.values() if isinstance(item, str))

    def inner(self, name: str) -> "Params | None":
        """Take nested parameters, or None where there are none."""
        value = self._rest.pop(name, None)
        if isinstance(value, str):
            raise bad_parameter(self._full(name), "Invalid object.")
        return None if value is None else Params(value, within=self._full(name))

    def metadata(self) -> dict[str, str]:
        """Take ``metadata``: texts by name."""
        value = self._rest.pop("metadata", {})
        if isinstance(value, str):
            if value:
                raise bad_parameter("metadata", "Invalid object.")
            value = {}
        found = {name: text for name, text in value.items() if isinstance(text, str)}
        too_long = any(len(text) > _METADATA_VALUE_MAX for text in found.values())
        if len(found) > _METADATA_MAX or too_long:
            raise bad_parameter("metadata", "There is too much metadata.")
        return found

    def span(self, name: str) -> tuple[int | None, int | None]:
        """Take a range of whole numbers: the first and the last that fit, None where it is open."""
        value = self._rest.get(name)
        if not isinstance(value, dict):
            exact = self.integer(name, at_least=0)
            return exact, exact
        inner = self.inner(name)
        assert inner is not None, "the value is a tree"
        above, least = inner.integer("gt", at_least=0), inner.integer("gte", at_least=0)
        below, most = inner.integer("lt", at_least=0), inner.integer("lte", at_least=0)
        inner.finish()
        first = least if above is None else above + 1
        last = most if below is None else below - 1
        return first, last

    def ignore(self, *names: str) -> None:
        """Take parameters that the real provider has and that change nothing here."""
        for name in names:
            self._rest.pop(name, None)

    def finish(self) -> None:
        """Refuse what nobody took."""
        for name in self._rest:
            raise unknown_parameter(self._full(name))

    def _full(self, name: str) -> str:
        return f"{self._within}[{name}]" if self._within else name


def _position(tree: Mapping[str, object], name: str) -> str:
    """Return the key of a name: ``[]`` is the next position of an array."""
    return name or str(len(tree))


def _lines(within: str, tree: Tree) -> Iterable[str]:
    for name, value in tree.items():
        if isinstance(value, str):
            yield f"{within}{name}={value!r}"
        else:
            yield from _lines(f"{within}{name}.", value)
