"""Builds the wheel and tries it where nothing else is installed: ``python -m deploy.wheel.check``.

The environment gets the locked runtime dependencies only, so an import of a test tool, of the
embedded stack's wheels or of a file that the wheel forgot shows here.
"""

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
# Files that Python does not import and that a wheel therefore loses most easily.
DATA_SUFFIXES: Final = frozenset({".sql", ".yaml", ".csv", ".json", ".typed"})
# What an image without the embedded stack runs.
PARTS: Final = (
    "services.ledger.main",
    "services.points.main",
    "services.wallet.main",
    "services.auditor",
    "services.simulator.sandbox.main",
    "deploy.kafka.topics",
)


def main() -> None:
    """Build, install, ask for help."""
    try:
        _check()
    except subprocess.CalledProcessError as failure:
        sys.exit(f"wheel: failed, see above: {' '.join(failure.cmd)}")


def _check() -> None:
    """Do it in folders that vanish afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = _build(folder)
        missing = _missing_data(wheel)
        if missing:
            sys.exit("The wheel lacks:\n  " + "\n  ".join(missing))
        binaries = _install(wheel, environment=folder / "environment")
        empty = folder / "empty"
        empty.mkdir()
        _run(str(binaries / "cagnotte"), "--help", folder=empty)
        for module in PARTS:
            _run(str(binaries / "python"), "-c", f"import {module}", folder=empty)
    sys.stdout.write(f"wheel: {wheel.name} installs alone, and its command answers.\n")


def _build(folder: Path) -> Path:
    """Build the wheel with the build backend of this environment."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), folder=ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def _missing_data(wheel: Path) -> list[str]:
    """Return the data files of the packages that are not in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    wanted = (
        path
        for package in ("services", "deploy")
        for path in (ROOT / package).rglob("*")
        if path.suffix in DATA_SUFFIXES
    )
    return sorted(
        name for path in wanted if (name := path.relative_to(ROOT).as_posix()) not in shipped
    )


def _install(wheel: Path, *, environment: Path) -> Path:
    """Install the locked runtime dependencies and the wheel; return the folder of commands."""
    venv.create(environment, with_pip=True)
    pip = (str(environment / "bin" / "python"), "-m", "pip")
    lock = str(ROOT / "requirements-runtime.lock")
    _run(*pip, "install", "--quiet", "--require-hashes", "-r", lock, folder=environment)
    _run(*pip, "install", "--quiet", "--no-deps", str(wheel), folder=environment)
    _run(*pip, "check", folder=environment)
    return environment / "bin"


def _run(*command: str, folder: Path) -> None:
    """Run a command that must succeed, without this environment's import paths."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, cwd=folder, env=clean, check=True)


if __name__ == "__main__":
    main()
