"""The command line of a service: ``python -m services.<name> serve | migrate``."""

import argparse
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NoReturn, TypeVar

import uvloop
from pydantic import ValidationError

from services.common.runtime import lifecycle
from services.common.runtime.config import ServiceSettings
from services.common.runtime.migrate import MigrationError

S = TypeVar("S", bound=ServiceSettings)

_EPILOG = """\
Settings are environment variables: {prefix}POSTGRES__DSN and {prefix}KAFKA__BOOTSTRAP are required, the others have
defaults; docs/settings.md lists them. `migrate` connects as the owner of the database, `serve` as its runtime role.
"""


def run_service(
    settings_type: type[S],
    *,
    service: str,
    serve: Callable[[S], Coroutine[Any, Any, int]],
    migrate: Callable[[S], Coroutine[Any, Any, int]],
    collect_after: int = lifecycle.COLLECT_AFTER,
    arguments: Sequence[str] | None = None,
) -> NoReturn:
    """Read the settings, do what the command line asks for, and exit.

    Exit code 2 means that the command or the settings are wrong, 1 that the work failed.
    """
    prefix = str(settings_type.model_config.get("env_prefix", ""))
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{service}",
        epilog=_EPILOG.format(prefix=prefix),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve the API and run the background loops")
    commands.add_parser("migrate", help="bring the database to the schema of this version")
    command = parser.parse_args(arguments).command
    settings = _read_settings(settings_type, prefix=prefix)
    if command == "serve":
        lifecycle.run(serve(settings), collect_after=collect_after)
    try:
        sys.exit(uvloop.run(migrate(settings)))
    except MigrationError as error:
        sys.exit(f"migrate: {error}")


def _read_settings(settings_type: type[S], *, prefix: str) -> S:
    try:
        return settings_type()
    except ValidationError as error:
        # Names and reasons only: a rejected value may be a secret.
        for problem in error.errors(include_input=False, include_url=False):
            name = prefix + "__".join(str(part) for part in problem["loc"]).upper()
            print(f"settings: {name}: {problem['msg']}", file=sys.stderr)  # noqa: T201 -- a command line
        sys.exit(2)
