"""The image's Dockerfile stays true to the repository that it is built from."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
ALLOWED = {
    line.removeprefix("!")
    for line in (ROOT / ".dockerignore").read_text().splitlines()
    if line.startswith("!")
}


def copied() -> set[str]:
    """Return what the first stage copies out of the repository."""
    copies: list[str] = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    return {source for line in copies for source in line.split()}


class TestDockerfile:
    def test_gets_what_it_copies_and_nothing_else(self) -> None:
        """Docker is given what the steps copy; keys, stacks' data and git stay where they are."""
        assert copied() == ALLOWED

    def test_copies_what_the_wheel_is_built_from(self) -> None:
        """Each package of the wheel, and each file that pyproject.toml names, is there."""
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
        packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]

        assert {package.partition("/")[0] for package in packages} <= copied()
        assert project["project"]["readme"] in copied()

    def test_copies_files_that_exist(self) -> None:
        """No step fails for a file that was renamed."""
        assert [name for name in copied() if not (ROOT / name).exists()] == []

    def test_stages_have_the_same_base(self) -> None:
        """The environment of the first stage runs on the second's Python: its links point there."""
        bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)

        assert len(bases) == 2
        assert len(set(bases)) == 1

    def test_runs_as_nobody(self) -> None:
        """A service needs no right on its machine."""
        assert "\nUSER 65534:65534\n" in DOCKERFILE
