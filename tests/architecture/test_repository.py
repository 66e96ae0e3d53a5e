"""What must never be committed, whoever commits it."""

import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ["requirements.lock", "requirements-runtime.lock"]


class TestLocks:
    @pytest.mark.parametrize("lock", LOCKS)
    def test_name_no_registry(self, lock: str) -> None:
        """A lock says which files, by hash, and never where from: that is each machine's own."""
        assert re.search(r"https?://|--index-url|--find-links", (ROOT / lock).read_text()) is None

    @pytest.mark.parametrize("lock", LOCKS)
    def test_pin_every_package_by_hash(self, lock: str) -> None:
        """Every requirement has an exact version and at least one SHA-256."""
        requirements = re.split(r"\n(?=\S)", (ROOT / lock).read_text().strip())

        unpinned = [
            entry
            for entry in requirements
            if not re.search(r"==.*--hash=sha256:", entry, re.DOTALL)
        ]

        assert unpinned == []

    def test_agree_on_versions(self) -> None:
        """A service runs in production with the versions that the tests ran with."""
        everything, runtime = (
            set(re.findall(r"^(\S+==\S+)", (ROOT / lock).read_text(), re.MULTILINE))
            for lock in LOCKS
        )

        assert runtime <= everything

    def test_cover_what_the_project_asks_for(self) -> None:
        """Every dependency of pyproject.toml is in the lock: `make lock` was not forgotten."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        extras = chain.from_iterable(project["optional-dependencies"].values())
        asked = chain(project["dependencies"], extras)
        locked = set(re.findall(r"^([a-z0-9.-]+)==", (ROOT / LOCKS[0]).read_text(), re.MULTILINE))

        assert {re.split(r"[^a-z0-9-]", entry)[0] for entry in asked} <= locked


class TestTests:
    def test_none_can_be_skipped(self) -> None:
        """A test that cannot run fails: what it needs is made by `make install` or by its target."""
        skipping = re.compile(r"pytest\.(skip|importorskip|xfail|mark\.(skip|skipif|xfail))\b")
        sources = {path: path.read_text() for path in (ROOT / "tests").rglob("*.py")}

        assert [path.name for path, source in sources.items() if skipping.search(source)] == []


class TestTrackedFiles:
    def test_hold_no_private_key(self) -> None:
        """Keys are made on first start; none is ever committed."""
        listed = subprocess.run(
            ["git", "grep", "-lE", "BEGIN ([A-Z]+ )?PRIVATE KEY", "--", ".", ":!tests"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

        assert listed.stdout == ""
