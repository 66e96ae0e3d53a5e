"""The folder of a stack: made, taken, or left as it is."""

import stat
from pathlib import Path

import pytest

from deploy.local.errors import StackError
from deploy.local.paths import stack_paths


def mode_of(folder: Path) -> int:
    """Return the permissions of a folder."""
    return stat.S_IMODE(folder.stat().st_mode)


class TestMake:
    def test_makes_a_folder_for_its_owner_alone(self, tmp_path: Path) -> None:
        """What is above it is made too."""
        paths = stack_paths(tmp_path / "above" / "stack")

        paths.make()

        assert [mode_of(folder) for folder in (paths.root, paths.keys, paths.logs)] == [0o700] * 3

    def test_takes_an_empty_folder(self, tmp_path: Path) -> None:
        """From then on it is its owner's alone."""
        tmp_path.chmod(0o755)

        stack_paths(tmp_path).make()

        assert mode_of(tmp_path) == 0o700

    def test_leaves_the_mode_of_a_shared_folder(self, tmp_path: Path) -> None:
        """An empty ``/tmp`` stays everybody's."""
        tmp_path.chmod(0o1777)

        stack_paths(tmp_path).make()

        assert mode_of(tmp_path) == 0o1777

    @pytest.mark.parametrize("name", ["precious", "lock", "logs/kept", "data/lock"])
    def test_refuses_a_folder_of_something_else(self, tmp_path: Path, name: str) -> None:
        """Neither its content nor its mode changes, whatever the content is called."""
        tmp_path.chmod(0o755)
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
        before = sorted(tmp_path.rglob("*"))

        with pytest.raises(StackError, match="holds no stack: name a folder with --dir"):
            stack_paths(tmp_path).make()

        assert mode_of(tmp_path) == 0o755
        assert sorted(tmp_path.rglob("*")) == before

    def test_knows_a_stack_whose_first_start_ended_early(self, tmp_path: Path) -> None:
        """It was made and has no state yet: the next start goes on with it, and leaves the mode that somebody chose."""
        paths = stack_paths(tmp_path)
        paths.make()
        tmp_path.chmod(0o750)

        paths.make()

        assert paths.is_stack()
        assert mode_of(tmp_path) == 0o750

    def test_knows_a_stack_by_its_state(self, tmp_path: Path) -> None:
        """A copy of a stack, say, need not have its lock."""
        (tmp_path / "stack.json").touch()

        stack_paths(tmp_path).make()

        assert stack_paths(tmp_path).keys.is_dir()
