"""Writes docs/settings.md from the settings themselves: ``python deploy/settings_page.py``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from services.common.runtime.config import ServiceSettings
from services.ledger.config import Settings as LedgerSettings
from services.points.config import Settings as PointsSettings
from services.wallet.config import Settings as WalletSettings

PAGE: Final = Path(__file__).resolve().parents[1] / "docs" / "settings.md"

_INTRODUCTION: Final = """\
# Settings

A service reads environment variables with its own prefix, once, when it starts; a missing or bad one stops it and is
named. Two underscores lead into a block: `LEDGER_POSTGRES__DSN`. This page is written by
`python deploy/settings_page.py`.

"""


def render_page() -> str:
    """Return the page: what all services share, then each one's own."""
    shared = dict(_walk(ServiceSettings))
    parts = [
        _INTRODUCTION,
        _render("Every service", "`LEDGER_`, `POINTS_`, `WALLET_` before", shared),
    ]
    for name, prefix, settings in (
        ("The ledger", "LEDGER_", LedgerSettings),
        ("Points", "POINTS_", PointsSettings),
        ("The wallet", "WALLET_", WalletSettings),
    ):
        own = {key: field for key, field in _walk(settings) if key not in shared}
        parts.append(_render(name, f"`{prefix}` before", own))
    return "\n".join(parts)


def _walk(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Find the variables of a model, blocks opened."""
    for name, field in model.model_fields.items():
        key = f"{path}{name.upper()}"
        block = _block_of(field.annotation)
        if block is None:
            yield key, field
        else:
            yield from _walk(block, f"{key}__")


def _block_of(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            # A list of blocks is one variable, written as JSON.
            return None if isinstance(annotation, type(tuple[int])) else kind
    return None


def _render(title: str, prefix: str, fields: dict[str, FieldInfo]) -> str:
    lines = [
        f"## {title}",
        "",
        f"| variable ({prefix}) | default | what it is |",
        "| --- | --- | --- |",
    ]
    for key, field in fields.items():
        meaning = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{key}` | {_default_of(key, field)} | {meaning} |")
    return "\n".join([*lines, ""])


def _default_of(key: str, field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required (of a block that is used)" if "TLS__" in key else "required"
    if field.default is None or field.default in ((), ""):
        return ""
    if isinstance(field.default, dict):
        return f"`{json.dumps(field.default)}`"
    value = getattr(field.default, "value", field.default)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    PAGE.write_text(render_page(), encoding="utf-8")
