"""Resolves the dependencies and writes both locks: ``python -m deploy.lock [--upgrade]``.

``requirements.lock`` has everything (embedded stack, tools); ``requirements-runtime.lock`` only
what a service needs, at the same versions. Both carry hashes and name no registry.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
EVERYTHING: Final = "requirements.lock"
RUNTIME: Final = "requirements-runtime.lock"


def main() -> None:
    """Write both locks; versions change only with ``--upgrade`` or where ``pyproject.toml`` asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = ["--upgrade"] if parser.parse_args().upgrade else []
    _compile("--all-extras", *upgrade, output=EVERYTHING)
    _compile("--constraints", EVERYTHING, "--upgrade", output=RUNTIME)


def _compile(*options: str, output: str) -> None:
    """Resolve for every platform, from Python 3.11 on."""
    uv = Path(sys.executable).parent / "uv"
    subprocess.run(
        [
            *(str(uv), "pip", "compile", "pyproject.toml", "--quiet"),
            *("--universal", "--python-version", "3.11"),
            *("--generate-hashes", "--no-emit-index-url", "--no-header"),
            *options,
            *("--output-file", output),
        ],
        cwd=ROOT,
        check=True,
    )


if __name__ == "__main__":
    main()
