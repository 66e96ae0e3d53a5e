"""Files that only grow, one JSON object a line: what a person or an earlier audit has noted."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from services.auditor.parallel import AuditError


def read_lines(file: Path, *, what: str) -> Iterator[tuple[str, str]]:
    """Give each line that is not blank with its place; raise AuditError, which names ``what``, if it can't be read."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise AuditError(f"cannot read {what}: no {file}; the first time: touch {file}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise AuditError(f"cannot read {what}: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield f"{file}, line {number}", line


def parse_object(line: str, place: str, *, keys: Sequence[str]) -> dict[str, Any]:
    """Read a line's object, which has exactly these keys; raise AuditError with its place where it has not."""
    try:
        parts = json.loads(line)
    except ValueError as error:
        raise AuditError(f"{place} is no JSON: {error}") from error
    if not isinstance(parts, dict) or sorted(parts) != sorted(keys):
        raise AuditError(f"{place} must be an object of {', '.join(keys)}")
    return parts
