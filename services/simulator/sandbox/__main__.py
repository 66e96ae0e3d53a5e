"""``python -m services.simulator.sandbox --listen HOST:PORT --dir DIR``: the keys come by the environment."""

import argparse
import os
import sqlite3
import sys
from pathlib import Path

import uvloop

from services.simulator.sandbox.main import SandboxSettings, serve
from services.simulator.sandbox.provider import Keys
from services.simulator.sandbox.server import Delays


def main() -> None:
    """Read the command line and the environment, and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m services.simulator.sandbox",
        description="A card payment provider for development and tests (docs/provider.md).",
        epilog="The environment gives SANDBOX_KEY (the secret key, needed), SANDBOX_PUBLISHABLE_KEY, "
        "SANDBOX_WEBHOOK_URL and SANDBOX_WEBHOOK_SECRET.",
    )
    parser.add_argument("--listen", default="127.0.0.1:12111", metavar="HOST:PORT")
    parser.add_argument("--dir", type=Path, required=True, help="where the state is kept")
    parser.add_argument("--slow-seconds", type=float, default=Delays().slow_seconds)
    parser.add_argument("--late-seconds", type=float, default=Delays().late_seconds)
    parser.add_argument("--allow-reset", action="store_true", help="serve POST /_sandbox/reset")
    arguments = parser.parse_args()
    secret = os.environ.get("SANDBOX_KEY", "")
    if not secret:
        parser.error("SANDBOX_KEY is not set: whoever knows this key may call.")
    host, _, port = arguments.listen.rpartition(":")
    settings = SandboxSettings(
        host=host,
        port=int(port),
        folder=arguments.dir,
        keys=Keys(secret, os.environ.get("SANDBOX_PUBLISHABLE_KEY", "")),
        webhook_url=os.environ.get("SANDBOX_WEBHOOK_URL", ""),
        webhook_secret=os.environ.get("SANDBOX_WEBHOOK_SECRET", ""),
        delays=Delays(slow_seconds=arguments.slow_seconds, late_seconds=arguments.late_seconds),
        may_reset=arguments.allow_reset,
    )
    try:
        uvloop.run(serve(settings))
    except (OSError, sqlite3.Error) as error:
        sys.exit(f"sandbox: {error}")


if __name__ == "__main__":
    main()
